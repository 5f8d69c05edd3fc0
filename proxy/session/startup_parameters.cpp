// What a client asks for in its StartupMessage.
#include "proxy/policy/startup_wishes.h"
#include "proxy/session/client_login.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

constexpr std::size_t user_name_max = 127;

}  // namespace

bool Worker::read_startup_parameters(ClientSession& client) {
  ClientLogin& login = *client.login;
  if (!DedicatedServers::read(*this, client)) return false;
  policy::StartupWishes wishes = policy::read_wishes(login.packet(), shared_.tracked, config_->ignored_startup_parameters,
                                                     client.replication != nullptr);
  if (client.replication) client.replication->startup = std::move(wishes.passed_on);
  login.user = std::move(wishes.user), login.database = std::move(wishes.database);
  client.parameters = std::move(wishes.parameters), client.settings = std::move(wishes.settings);
  CloseReason reason = CloseReason::none;
  if (wishes.bad_options) {
    reason = CloseReason::unsupported_option;
  } else if (login.user.empty()) {
    reason = CloseReason::no_username;
  } else if (login.user.size() > user_name_max) {
    login.user.resize(user_name_max);
    reason = CloseReason::username_too_long;
  }
  if (reason != CloseReason::none) {
    end_client(client, reason);
    return false;
  }
  if (login.database.empty()) login.database = login.user;
  if (!wishes.unsupported.empty() && (wishes.impossible || !keeps_startup_settings(client))) {
    end_client(client, CloseReason::unsupported_startup_parameter, wishes.unsupported);
    return false;
  }
  if (config_->globals.application_name_add_host) add_host_to_application_name(client);
  client.startup = policy::startup_values(shared_.tracked, client.parameters, client.settings);
  if (policy::same_settings(client.startup, latest_startup_)) client.startup = latest_startup_;
  else latest_startup_ = client.startup;
  return true;
}

// What a client sets at its login is given to its servers as what it sets later: where sessions are kept apart.
bool Worker::keeps_startup_settings(const ClientSession& client) const {
  const ClientLogin& login = *client.login;
  const DatabasePtr entry = login.database == console_database ? nullptr : config_->database(login.database);
  if (!entry) return false;
  const PoolLimits limits = pool_limits(*config_, *entry, std::string(pool_user(*entry, login.user)));
  return limits.pool_mode != PoolMode::session && limits.session_state != SessionState::off;
}

void Worker::add_host_to_application_name(ClientSession& client) {
  const std::size_t place = shared_.tracked.place_of("application_name");
  const auto* given = policy::value_at(client.parameters, place);
  const std::string name = given && *given && !(*given)->empty() ? **given : "app";
  client.parameters = policy::with_value(client.parameters, place,
                                         fmt::format("{} - {}", name, client.place), shared_.tracked.size());
}

}  // namespace pgweir
