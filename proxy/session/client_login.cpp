#include "proxy/session/client_login.h"

#include <algorithm>

#include "protocol/auth/md5.h"
#include "protocol/auth/secret.h"
#include "protocol/compose.h"
#include "protocol/frontend.h"

namespace pgweir {

void AuthPlan::add(TlsFacts facts) {
  tls = true;
  has_certificate = facts.has_peer_certificate;
  certificate_names = std::move(facts.peer_dns_names);
  if (!facts.peer_common_name.empty()) certificate_names.push_back(std::move(facts.peer_common_name));
  end_point = std::move(facts.server_end_point);
}

ClientLogin::ClientLogin() = default;
ClientLogin::~ClientLogin() = default;

ClientLogin::Event ClientLogin::on_bytes(Bytes& input, Buffer& answer) {
  if (input.empty()) return Event::more;
  nothing_received_ = false;
  if (step_ == Step::startup) return on_startup_bytes(input, answer);
  auto piece = framer_.next(input);
  if (framer_.failed()) {
    return fail(CloseReason::bad_packet_header,
                "bad packet header: '" + header_hex(framer_.offending_header()) + "'");
  }
  if (!piece) return Event::more;
  if (piece->tag == 'X') return fail(CloseReason::client_close_request);
  if (piece->tag != 'p') return fail(CloseReason::unknown_packet);
  switch (step_) {
    case Step::cleartext: case Step::md5:
      return on_password(piece->body());
    case Step::sasl_first:
      return on_sasl_first(piece->body(), answer);
    case Step::sasl_late_first: case Step::sasl_final:
      return on_sasl_final(piece->body(), answer);
    default:
      return fail(CloseReason::unknown_packet);      // a password that nobody asked for
  }
}

// A record that holds a handshake begins with 22. Source: RFC 8446, section 5.1.
bool ClientLogin::take_direct_tls(Bytes input) {
  if (!nothing_received_ || !offers_tls_ || input.empty() || input[0] != std::byte{22}) return false;
  nothing_received_ = false;
  return in_tls_ = true;
}

ClientLogin::Event ClientLogin::on_startup_bytes(Bytes& input, Buffer& answer) {
  while (true) {
    const StartupSize size = startup_size(packet_bytes_);
    if (size.verdict == StartupSize::Verdict::bad) {
      return fail(CloseReason::bad_packet_header, "bad packet header: '" + header_hex(packet_bytes_) + "'");
    }
    const bool known = size.verdict == StartupSize::Verdict::known;
    if (known && packet_bytes_.size() == size.bytes) return judge_startup(input, answer);
    if (input.empty()) return Event::more;
    const std::size_t wanted = known ? size.bytes : std::min(packet_bytes_.size() + 4, startup_header_bytes);
    const std::size_t count = std::min(wanted - packet_bytes_.size(), input.size());
    append(packet_bytes_, input.first(count));
    input = input.subspan(count);
  }
}

ClientLogin::Event ClientLogin::judge_startup(Bytes rest, Buffer& answer) {
  packet_ = parse_startup(packet_bytes_);
  switch (packet_.kind) {
    case StartupKind::ssl_request: case StartupKind::gssenc_request: {
      // Whoever writes before our answer has not waited for it: an attacker's words before the handshake.
      const bool ssl = packet_.kind == StartupKind::ssl_request;
      if (!rest.empty()) {
        return fail(ssl ? CloseReason::unencrypted_data_after_ssl : CloseReason::unencrypted_data_after_gss);
      }
      if (ssl && in_tls_) return fail(CloseReason::ssl_inside_ssl);
      packet_bytes_.clear();
      in_tls_ |= ssl && offers_tls_;
      const bool yes = ssl && offers_tls_;
      answer.push_back(yes ? std::byte{'S'} : std::byte{'N'});
      return yes ? Event::start_tls : Event::encryption;
    }
    case StartupKind::cancel_request:
      step_ = Step::over;
      return Event::cancel;
    case StartupKind::startup:
      step_ = Step::looked_up;
      return Event::startup;
    case StartupKind::protocol_2:
      return fail(CloseReason::old_protocol);
    case StartupKind::bad:
      break;
  }
  if (packet_.flaw == StartupFlaw::bad_layout) return fail(CloseReason::bad_startup_packet);
  return fail(CloseReason::bad_packet_header, "bad packet header: '" + header_hex(packet_bytes_) + "'");
}

ClientLogin::Event ClientLogin::prove(AuthPlan plan, Buffer& answer) {
  plan_ = std::move(plan);
  const SecretKind kind = secret_kind(plan_.secret);
  switch (plan_.method) {
    case AuthType::any:
      return Event::proven;
    case AuthType::trust:
      return plan_.known ? Event::proven : fail(CloseReason::trust_failed);
    case AuthType::plain:
      compose::authentication_cleartext(answer);
      step_ = Step::cleartext;
      return Event::more;
    case AuthType::md5: {
      if (kind == SecretKind::scram || plan_.mock_scram) return start_sasl(answer);
      std::byte salt[4];
      store_be32(salt, plan_.salt);
      compose::authentication_md5(answer, salt);
      step_ = Step::md5;
      return Event::more;
    }
    case AuthType::scram_sha_256:
      return start_sasl(answer);
    case AuthType::cert:
      return judge_certificate();
    case AuthType::ldap: case AuthType::pam:
      compose::authentication_cleartext(answer);
      step_ = Step::cleartext;
      return Event::more;
    case AuthType::reject:
      return fail(CloseReason::login_rejected);
    case AuthType::hba:
      return fail(CloseReason::no_auth_method);
    default:
      return fail(CloseReason::unsupported_auth);
  }
}

// Exactly, where PgBouncer compares as host names are: `*` in a certificate is nobody's name.
ClientLogin::Event ClientLogin::judge_certificate() {
  if (!plan_.tls) return fail(CloseReason::tls_needed_for_certificate);
  if (!plan_.has_certificate) return fail(CloseReason::certificate_missing);
  const auto& names = plan_.certificate_names;
  if (std::find(names.begin(), names.end(), plan_.user) == names.end()) {
    return fail(CloseReason::certificate_of_another);
  }
  if (!plan_.known) return fail(CloseReason::certificate_failed);
  step_ = Step::over;
  return Event::proven;
}

ClientLogin::Event ClientLogin::start_sasl(Buffer& answer) {
  if (plan_.known && plan_.scram) {
    scram_ = std::make_unique<ScramServer>(*plan_.scram, plan_.nonce);
  } else {
    scram_ = std::make_unique<ScramServer>(
        ScramServer::mock(plan_.user, plan_.process_secret, plan_.nonce, plan_.scram_iterations));
  }
  const std::array mechanisms{scram_plus_mechanism, scram_mechanism};
  compose::authentication_sasl(answer, std::span(mechanisms).subspan(plan_.end_point.empty() ? 1 : 0));
  step_ = Step::sasl_first;
  return Event::more;
}

ClientLogin::Event ClientLogin::on_password(Bytes body) {
  const auto view = read_password(body);
  if (!view) return fail(CloseReason::bad_packet_header, "bad packet header: 'PasswordMessage'");
  if (view->password.empty()) return fail(CloseReason::empty_password);
  if (plan_.method == AuthType::ldap || plan_.method == AuthType::pam) {
    password_ = view->password;
    step_ = Step::judged;
    return Event::password;
  }
  if (step_ == Step::cleartext) keep_cleartext_keys(view->password);
  if (!password_fits_plan(view->password) || !plan_.known) return fail(CloseReason::password_failed);
  step_ = Step::over;
  return Event::proven;
}

// Who has told the password itself has told the keys that a server with the same SCRAM secret accepts. They are
// derived once, to judge the password by, since that takes milliseconds.
void ClientLogin::keep_cleartext_keys(std::string_view password) {
  if (!plan_.scram || secret_kind(plan_.secret) != SecretKind::scram) return;
  cleartext_keys_ = derive_login_keys(password, plan_.scram->salt, plan_.scram->iterations);
  if (cleartext_keys_ && !same_secret(cleartext_keys_->server_key, plan_.scram->server_key)) cleartext_keys_.reset();
}

ClientLogin::Event ClientLogin::settle(bool good, CloseReason otherwise, std::string detail) {
  if (!good) return fail(otherwise, {}, std::move(detail));
  step_ = Step::over;
  return Event::proven;
}

bool ClientLogin::password_fits_plan(std::string_view password) const {
  if (step_ == Step::cleartext) {
    if (plan_.scram && secret_kind(plan_.secret) == SecretKind::scram) return cleartext_keys_.has_value();
    if (plan_.mock_scram) {
      return password_fits(password, mock_scram_secret(plan_.user, plan_.process_secret, plan_.scram_iterations)) &&
             !plan_.secret.empty();
    }
    return password_fits(password, plan_.user, plan_.secret);
  }
  std::byte salt[4];
  store_be32(salt, plan_.salt);
  // A secret for users who do not exist costs the same time.
  const std::string_view secret = plan_.secret.empty() ? std::string_view("md500000000000000000000000000000000") : plan_.secret;
  return md5_answer_fits(password, plan_.user, secret, salt) && !plan_.secret.empty();
}

ClientLogin::Event ClientLogin::on_sasl_first(Bytes body, Buffer& answer) {
  const auto view = read_sasl_initial_response(body);
  if (!view) return fail(CloseReason::sasl_failed, {}, "broken SASLInitialResponse");
  const bool plus = view->mechanism == scram_plus_mechanism && !plan_.end_point.empty();
  scram_->bind_to_channel(plan_.end_point, plus);
  if (view->mechanism != scram_mechanism && !plus) {
    return fail(CloseReason::sasl_failed, {}, "client selected an invalid SASL authentication mechanism");
  }
  if (!view->has_data) {
    // The client may send its first message only after having been asked once more.
    compose::authentication_sasl_continue(answer, {});
    step_ = Step::sasl_late_first;
    return Event::more;
  }
  return on_client_first(view->data, answer);
}

ClientLogin::Event ClientLogin::on_client_first(std::string_view data, Buffer& answer) {
  const auto reply = scram_->on_client_first(data);
  if (!reply) return fail(CloseReason::sasl_failed, {}, scram_->failure());
  compose::authentication_sasl_continue(answer, *reply);
  step_ = Step::sasl_final;
  return Event::more;
}

ClientLogin::Event ClientLogin::on_sasl_final(Bytes body, Buffer& answer) {
  const auto view = read_sasl_response(body);
  if (!view) return fail(CloseReason::sasl_failed, {}, "broken SASLResponse");
  if (step_ == Step::sasl_late_first) return on_client_first(view->data, answer);
  const auto reply = scram_->on_client_final(view->data);
  if (!reply || !scram_->proven()) return fail(CloseReason::sasl_failed, {}, scram_->failure());
  compose::authentication_sasl_final(answer, *reply);
  step_ = Step::over;
  return Event::proven;
}

std::optional<ScramLoginKeys> ClientLogin::login_keys() const {
  if (cleartext_keys_) return cleartext_keys_;
  // Keys proven against a secret that we made up ourselves are good for no server.
  if (!scram_ || secret_kind(plan_.secret) != SecretKind::scram) return std::nullopt;
  return scram_->login_keys();
}

ClientLogin::Event ClientLogin::fail(CloseReason reason, std::string text, std::string detail) {
  step_ = Step::over;
  failure_ = reason;
  failure_text_ = std::move(text);
  failure_detail_ = std::move(detail);
  return Event::failed;
}

}  // namespace pgweir
