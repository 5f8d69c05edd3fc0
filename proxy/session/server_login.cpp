#include "proxy/session/server_login.h"

#include "protocol/auth/md5.h"
#include "protocol/auth/scram_server.h"
#include "protocol/auth/secret.h"
#include "protocol/backend.h"
#include "protocol/compose.h"
#include "protocol/startup.h"

namespace pgweir {
namespace {

// A server that reports more than this is not one we know.
constexpr std::size_t parameters_max = 1000;

}  // namespace

void ServerLogin::start(Buffer& out) {
  std::vector<compose::Parameter> parameters{{"user", secret_.user}, {"database", secret_.database}};
  for (const auto& [name, value] : secret_.parameters) parameters.emplace_back(name, value);
  compose::startup_message(out, parameters, secret_.long_keys ? protocol_3_2 : protocol_3_0);
}

ServerLogin::Event ServerLogin::on_bytes(Framer& framer, Bytes& input, Buffer& out) {
  const auto piece = framer.next(input);
  if (framer.failed()) return fail("bad packet from server during login");
  if (!piece || !piece->starts) return Event::more;
  const Bytes body = piece->body();
  switch (piece->tag) {
    case 'R':
      return on_authentication(body, out);
    case 'S':
      if (const auto status = read_parameter_status(body); status && parameters_.size() < parameters_max)
        parameters_.emplace_back(status->name, status->value);
      return Event::more;
    case 'K':
      if (const auto key = read_backend_key_data(body)) {
        backend_pid_ = key->pid;
        cancel_key_ = as_text(key->key);
      }
      return Event::more;
    case 'N': case 'v':
      return Event::more;
    case 'E': {
      const ReportView report(body);
      refused_ = true;
      return fail(std::string(report.message()),
                  report.sqlstate().size() == 5 ? std::string(report.sqlstate()) : "08P01");
    }
    case 'Z':
      return authenticated_ ? Event::ready : fail("server is ready before it has authenticated us");
    default:
      return fail("unexpected message from server during login");
  }
}

ServerLogin::Event ServerLogin::on_authentication(Bytes body, Buffer& out) {
  const auto view = read_authentication(body);
  if (!view) return fail("broken authentication request from server");
  switch (view->kind) {
    case AuthenticationKind::ok:
      if (scram_ && !scram_->proven()) return fail("server did not prove that it knows the password");
      authenticated_ = true;
      return Event::more;
    case AuthenticationKind::cleartext_password:
      return answer_password(out, {});
    case AuthenticationKind::md5_password:
      return answer_password(out, view->salt);
    case AuthenticationKind::sasl:
      if (!view->offers(scram_mechanism) && !view->offers(scram_plus_mechanism)) return fail("unknown/unsupported auth method");
      return on_sasl(*view, out);
    case AuthenticationKind::sasl_continue: {
      if (!scram_) return fail("unexpected SASL message from server");
      const auto answer = scram_->on_server_first(view->data);
      if (!answer) return fail("SASL authentication with server failed: " + scram_->failure());
      compose::sasl_response(out, *answer);
      return Event::more;
    }
    case AuthenticationKind::sasl_final:
      if (!scram_ || !scram_->on_server_final(view->data)) return fail("server failed to prove itself");
      return Event::more;
    case AuthenticationKind::other:
      break;
  }
  return fail("unknown/unsupported auth method");
}

ServerLogin::Event ServerLogin::on_sasl(const AuthenticationView& view, Buffer& out) {
  if (scram_) return fail("unexpected SASL message from server");
  if (secret_kind(secret_.secret) == SecretKind::plain) {
    scram_ = std::make_unique<ScramClient>(secret_.secret, secret_.nonce);
  } else if (secret_.keys) {
    scram_ = std::make_unique<ScramClient>(*secret_.keys, secret_.nonce);
  } else {
    return fail("wrong password type");
  }
  const bool plus = !end_point_.empty() && view.offers(scram_plus_mechanism);
  if (plus) scram_->bind_to_channel(end_point_);
  else if (!end_point_.empty()) scram_->missed_plus();
  compose::sasl_initial_response(out, plus ? scram_plus_mechanism : scram_mechanism, scram_->client_first());
  return Event::more;
}

ServerLogin::Event ServerLogin::answer_password(Buffer& out, Bytes salt) {
  const SecretKind kind = secret_kind(secret_.secret);
  if (kind == SecretKind::none || kind == SecretKind::scram) return fail("wrong password type");
  if (salt.empty()) {
    if (kind != SecretKind::plain) return fail("wrong password type");
    compose::password_message(out, secret_.secret);
    return Event::more;
  }
  const std::string hash = kind == SecretKind::md5 ? secret_.secret : md5_secret(secret_.secret, secret_.user);
  compose::password_message(out, md5_answer(hash, salt));
  return Event::more;
}

ServerLogin::Event ServerLogin::fail(std::string text, std::string sqlstate) {
  failure_ = std::move(text);
  sqlstate_ = std::move(sqlstate);
  return Event::failed;
}

}  // namespace pgweir
