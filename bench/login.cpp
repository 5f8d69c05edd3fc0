#include "bench/login.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <charconv>

#include "protocol/auth/md5.h"
#include "protocol/auth/scram_server.h"
#include "protocol/backend.h"
#include "protocol/compose.h"

namespace pgweir::bench {

const ScramLoginKeys* ScramKeyCache::keys_for(const std::string& password,
                                              std::string_view salt_and_iterations) {
  const std::string key = password + '\0' + std::string(salt_and_iterations);
  if (const auto found = keys_.find(key); found != keys_.end()) return &found->second;
  const auto comma = salt_and_iterations.find(",i=");
  if (!salt_and_iterations.starts_with("s=") || comma == std::string_view::npos) return nullptr;
  const auto salt = base64_decode(salt_and_iterations.substr(2, comma - 2));
  const std::string_view digits = salt_and_iterations.substr(comma + 3);
  std::uint32_t iterations = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), iterations);
  if (!salt || iterations > scram_iterations_max) return nullptr;
  const auto derived = derive_login_keys(password, *salt, iterations);
  if (!derived) return nullptr;
  return &keys_.emplace(key, *derived).first->second;
}

void Login::greet(Buffer& out) const {
  const std::array<compose::Parameter, 3> parameters{{{"user", target_.user},
                                                      {"database", target_.database},
                                                      {"application_name", "pgweir-bench"}}};
  compose::startup_message(out, parameters);
}

bool Login::on_authentication(Bytes body, Buffer& out) {
  const auto request = read_authentication(body);
  if (!request) return fail("malformed Authentication message");
  switch (request->kind) {
    case AuthenticationKind::ok:
      return true;
    case AuthenticationKind::cleartext_password:
      compose::password_message(out, target_.password);
      return true;
    case AuthenticationKind::md5_password:
      compose::password_message(
          out, md5_answer(md5_secret(target_.password, target_.user), request->salt));
      return true;
    case AuthenticationKind::sasl:
      if (!request->offers(scram_mechanism)) return fail("no SASL mechanism in common");
      return on_sasl(out);
    case AuthenticationKind::sasl_continue:
      return on_sasl_continue(request->data, out);
    case AuthenticationKind::sasl_final:
      if (!scram_ || !scram_->on_server_final(request->data))
        return fail("the server does not know our SCRAM secret");
      return true;
    case AuthenticationKind::other:
      break;
  }
  return fail(fmt::format("unknown authentication request {}", request->code));
}

bool Login::on_sasl(Buffer& out) {
  nonce_ = fresh_scram_nonce();
  compose::sasl_initial_response(out, scram_mechanism,
                                 ScramClient(target_.password, nonce_).client_first());
  return true;
}

bool Login::on_sasl_continue(std::string_view data, Buffer& out) {
  const auto salt_at = data.find(",s=");
  const ScramLoginKeys* keys = salt_at == std::string_view::npos
                                   ? nullptr
                                   : cache_.keys_for(target_.password, data.substr(salt_at + 1));
  if (!keys || nonce_.empty()) return fail("malformed SCRAM challenge");
  // The keys are known only now, so the exchange is told again from its beginning; the same nonce
  // makes the same client-first-message.
  scram_ = std::make_unique<ScramClient>(*keys, nonce_);
  scram_->client_first();
  const auto answer = scram_->on_server_first(data);
  if (!answer) return fail(scram_->failure());
  compose::sasl_response(out, *answer);
  return true;
}

bool Login::fail(std::string why) {
  failure_ = std::move(why);
  return false;
}

}  // namespace pgweir::bench
