// How a client has to prove who it is: which method, and against which secret.
#include "protocol/auth/secret.h"
#include "protocol/compose.h"
#include "proxy/session/worker.h"

namespace pgweir {

// After the StartupMessage. The proof begins at once, or when auth_query has told the user's secret.
ClientLogin::Event Worker::begin_proof(ClientSession& client, Buffer& answer) {
  ClientLogin& login = *client.login;
  login.method = login.own_uid ? AuthType::any : config_->globals.auth_type;
  if (wants_lookup(client)) {
    // What has been said so far must not wait for the server.
    if (!answer.empty()) tell(client, answer);
    answer.clear();
    if (start_lookup(client) || client.phase == ClientPhase::leaving) return ClientLogin::Event::more;
  }
  return prove_login(client, nullptr, answer);
}

ClientLogin::Event Worker::prove_login(ClientSession& client, const LookedUp* looked_up, Buffer& answer) {
  return client.login->prove(plan_for(client, looked_up), answer);
}

// Users of auth_file are never looked up, unless their entry has no secret.
bool Worker::wants_lookup(const ClientSession& client) const {
  const ClientLogin& login = *client.login;
  if (login.method == AuthType::any) return false;
  const std::string* secret = config_->secret(login.user);
  return !secret || secret->empty();
}

AuthPlan Worker::plan_for(ClientSession& client, const LookedUp* looked_up) {
  ClientLogin& login = *client.login;
  AuthPlan plan;
  plan.method = login.method;
  plan.user = login.user;
  plan.process_secret = shared_.credentials.process_secret();
  plan.nonce = fresh_nonce();
  plan.salt = static_cast<std::uint32_t>(shared_.fleet.random_secret());
  plan.scram_iterations = static_cast<std::uint32_t>(config_->globals.scram_iterations);
  const std::string* secret = config_->secret(login.user);
  plan.known = secret || config_->user(login.user) || (looked_up && looked_up->found);
  if (looked_up) secret = &looked_up->secret;
  if (!plan.known && plan.method != AuthType::any) log_client(log::Level::log, client, "no such user: {}", login.user);
  if (secret) plan.secret = *secret;
  const SecretKind kind = secret_kind(plan.secret);
  if (looked_up && kind == SecretKind::none) {
    // Whom the server does not know is asked, and kept waiting, as those are whom it knows.
    plan.mock_scram = shared_.credentials.usual_kind(login.database) == SecretKind::scram;
  }
  if (kind == SecretKind::scram) {
    plan.scram = parse_scram_secret(plan.secret);
  } else if (kind == SecretKind::plain && plan.method == AuthType::scram_sha_256) {
    plan.scram = shared_.credentials.secret_of_password(plan.user, plan.secret, plan.scram_iterations);
  }
  return plan;
}

std::string Worker::fresh_nonce() {
  std::byte raw[18];
  for (std::size_t i = 0; i < sizeof raw; i += 6) {
    const std::uint64_t random = shared_.fleet.random_secret();
    std::memcpy(raw + i, &random, 6);
  }
  return base64_encode(raw);
}

}  // namespace pgweir
