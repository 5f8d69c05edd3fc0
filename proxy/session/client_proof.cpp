// How a client has to prove who it is: which method, and against which secret.
#include <algorithm>

#include "protocol/auth/secret.h"
#include "protocol/compose.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

bool asks_for_known_user(AuthType method) {
  return method == AuthType::trust || method == AuthType::plain || method == AuthType::md5 ||
         method == AuthType::scram_sha_256;
}

}  // namespace

// After the StartupMessage. What has to be asked elsewhere sets the login aside (looking_up) until
// it is answered:
//
//   begin_proof -> choose_method -> lookup_or_prove -> prove_login -> ClientLogin::prove ... ->
//   judge_password
//                   host name? roles?   auth_query?      peer? LDAP? PAM?
ClientLogin::Event Worker::begin_proof(ClientSession& client, Buffer& answer) {
  ClientLogin& login = *client.login;
  // What has been said so far must not wait for others.
  if (!answer.empty()) tell(client, answer);
  answer.clear();
  login.method = login.own_uid ? AuthType::any : config_->globals.auth_type;
  if (login.method == AuthType::hba) return choose_method(client, answer);
  return lookup_or_prove(client, answer);
}

// auth_type=hba: the first rule that fits.
ClientLogin::Event Worker::choose_method(ClientSession& client, Buffer& answer) {
  ClientLogin& login = *client.login;
  if (!login.hba) login.hba = config_->hba;
  const HbaMatch match = login.hba ? match_hba(*login.hba, hba_facts(client)) : HbaMatch{};
  if (match.need == HbaMatch::Need::host_name) {
    ProofRequest request;
    request.kind = ProofRequest::Kind::host_name;
    request.address = client.stream->remote().address;
    if (ask_elsewhere(client, std::move(request))) return ClientLogin::Event::more;
    return login.settle(false, CloseReason::no_auth_method,
                        "too many logins wait for the name of their host");
  }
  if (match.need == HbaMatch::Need::roles) {
    if (start_lookup(client, LookupKind::roles) || client.phase == ClientPhase::leaving)
      return ClientLogin::Event::more;
    return login.settle(
        false, CloseReason::no_auth_method,
        "a rule of auth_hba_file names a group, and there is no auth_user to ask for its members");
  }
  login.rule = match.rule;
  if (login.rule) login.method = login.rule->method;
  return lookup_or_prove(client, answer);
}

HbaFacts Worker::hba_facts(const ClientSession& client) const {
  const ClientLogin& login = *client.login;
  HbaFacts facts;
  facts.unix_socket = client.unix_socket;
  facts.is_tls = client.tls;
  if (!client.unix_socket) facts.address = ip_bytes(client.stream->remote().address);
  facts.database = login.database;
  facts.user = login.user;
  if (client.replication) {
    const bool logical = client.replication->kind == Replication::Kind::logical;
    facts.replication = logical ? HbaFacts::Replication::logical : HbaFacts::Replication::physical;
  }
  facts.host_name = login.host_name;
  facts.roles = login.roles;
  if (shared_.proofs) facts.own_networks = &shared_.proofs->own_networks();
  return facts;
}

ClientLogin::Event Worker::lookup_or_prove(ClientSession& client, Buffer& answer) {
  if (wants_lookup(client) &&
      (start_lookup(client, LookupKind::secret) || client.phase == ClientPhase::leaving)) {
    return ClientLogin::Event::more;
  }
  return prove_login(client, nullptr, answer);
}

ClientLogin::Event Worker::prove_login(ClientSession& client, const LookedUp* looked_up,
                                       Buffer& answer) {
  ClientLogin& login = *client.login;
  if (login.method == AuthType::peer) {
    ProofRequest request;
    request.kind = ProofRequest::Kind::system_user;
    request.uid = client.stream->remote().peer_uid;
    if (client.unix_socket && ask_elsewhere(client, std::move(request)))
      return ClientLogin::Event::more;
    return login.settle(false, CloseReason::peer_rejected);
  }
  if (login.method == AuthType::cert && login.rule) {
    const TlsFacts facts = client.tls ? client.stream->tls_facts() : TlsFacts{};
    std::vector<std::string> names = facts.peer_dns_names;
    names.push_back(facts.peer_common_name);
    const bool good = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return !name.empty() && ident_allows(login.hba->maps, login.rule->map, name, login.user);
    });
    return login.settle(good && facts.has_peer_certificate, CloseReason::cert_failed);
  }
  return login.prove(plan_for(client, looked_up), answer);
}

// Users of auth_file are never looked up, unless their entry has no secret.
bool Worker::wants_lookup(const ClientSession& client) const {
  const ClientLogin& login = *client.login;
  switch (login.method) {
    case AuthType::any:
    case AuthType::ldap:
    case AuthType::pam:
    case AuthType::reject:
    case AuthType::hba:
      return false;
    default:
      break;
  }
  const std::string* secret = config_->secret(login.user);
  return !secret || secret->empty();
}

// --- what others judge

// Sets the login aside until the answer comes. False: nobody takes the question.
bool Worker::ask_elsewhere(ClientSession& client, ProofRequest request) {
  if (!shared_.proofs) return false;
  const bool asked = shared_.proofs->ask(
      std::move(request),
      [fleet = &shared_.fleet, to = number_, token = client.token](ProofAnswer answer) {
        fleet->post(to, [token, answer = std::move(answer)](Worker& worker) {
          worker.on_proof_answer(token, answer);
        });
      });
  if (asked) client.phase = ClientPhase::looking_up;
  return asked;
}

void Worker::judge_password(ClientSession& client) {
  ClientLogin& login = *client.login;
  const bool ldap = login.method == AuthType::ldap;
  ProofRequest request;
  request.kind = ldap ? ProofRequest::Kind::ldap : ProofRequest::Kind::pam;
  request.user = login.user;
  request.password = login.password();
  if (!client.unix_socket) request.address = client.stream->remote().address;
  request.ldap = login.rule ? login.rule->ldap : config_->ldap;
  if (login.rule) request.pam_service = login.rule->pam_service;
  if (ask_elsewhere(client, std::move(request))) return;
  const auto event = login.settle(false, ldap ? CloseReason::ldap_failed : CloseReason::pam_failed,
                                  "too many logins wait for the answer of LDAP or PAM");
  conclude_login(client, event, {}, {});
}

void Worker::on_proof_answer(Token token, const ProofAnswer& answer) {
  ClientSession* client = clients_.find(token);
  if (!client || client->phase != ClientPhase::looking_up || client->lookup) return;
  resume_login(*client, [&](Buffer& out) { return take_proof_answer(*client, answer, out); });
}

ClientLogin::Event Worker::take_proof_answer(ClientSession& client, const ProofAnswer& answer,
                                             Buffer& out) {
  ClientLogin& login = *client.login;
  switch (login.method) {
    case AuthType::hba:
      login.host_name = answer.name;
      if (!answer.good) log_client(log::Level::debug, client, "{}", answer.detail);
      return choose_method(client, out);
    case AuthType::peer: {
      const bool good =
          answer.good && ident_allows(login.hba->maps, login.rule->map, answer.name, login.user);
      return login.settle(good, CloseReason::peer_rejected, answer.detail);
    }
    default:
      break;
  }
  // The servers may want the same password.
  if (answer.good) shared_.credentials.keep_looked_up(login.database, login.user, login.password());
  return login.settle(
      answer.good,
      login.method == AuthType::ldap ? CloseReason::ldap_failed : CloseReason::pam_failed,
      answer.detail);
}

// --- what we judge ourselves

AuthPlan Worker::plan_for(ClientSession& client, const LookedUp* looked_up) {
  ClientLogin& login = *client.login;
  AuthPlan plan;
  plan.method = login.method;
  plan.user = login.user;
  plan.process_secret = shared_.credentials.process_secret();
  // Random bits cost a login with trust one part in fifty.
  if (plan.method != AuthType::trust && plan.method != AuthType::any) {
    plan.nonce = fresh_nonce();
    plan.salt = static_cast<std::uint32_t>(shared_.fleet.random_secret());
  }
  plan.scram_iterations = static_cast<std::uint32_t>(config_->globals.scram_iterations);
  if (client.tls) plan.add(client.stream->tls_facts());
  const std::string* secret = config_->secret(login.user);
  plan.known = secret || config_->user(login.user) || (looked_up && looked_up->found);
  if (looked_up) secret = &looked_up->secret;
  if (!plan.known && asks_for_known_user(plan.method))
    log_client(log::Level::log, client, "no such user: {}", login.user);
  if (secret) plan.secret = *secret;
  const SecretKind kind = secret_kind(plan.secret);
  if (looked_up && kind == SecretKind::none) {
    // Whom the server does not know is asked, and kept waiting, as those are whom it knows.
    plan.mock_scram = shared_.credentials.usual_kind(login.database) == SecretKind::scram;
  }
  if (kind == SecretKind::scram) {
    plan.scram = parse_scram_secret(plan.secret);
  } else if (kind == SecretKind::plain && plan.method == AuthType::scram_sha_256) {
    plan.scram =
        shared_.credentials.secret_of_password(plan.user, plan.secret, plan.scram_iterations);
  }
  return plan;
}

}  // namespace pgweir
