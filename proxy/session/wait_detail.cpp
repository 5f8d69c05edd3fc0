// What a client hears that waits: which limit binds, and who has the servers.
#include <algorithm>
#include <map>

#include "protocol/sql/digest.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

constexpr std::size_t named_max = 3;

using Counts = std::map<std::string, int>;

// `web (5), report (1)`: the first few.
std::string first_of(const Counts& counts) {
  std::vector<std::pair<int, std::string>> ranks;
  for (const auto& [name, count] : counts) ranks.emplace_back(-count, name);
  std::sort(ranks.begin(), ranks.end());
  std::string text;
  for (std::size_t i = 0; i < std::min(named_max, ranks.size()); ++i) {
    text += fmt::format("{}{} ({})", i ? ", " : "", ranks[i].second, -ranks[i].first);
  }
  return text;
}

std::string limit_of(WaitReason reason, const PoolDesk& desk) {
  const ServerLimits& limits = desk.pool.settings.limits;
  switch (reason) {
    case WaitReason::pool_size:
      return fmt::format("pool_size {} of {}/{} is reached", limits.pool_size, desk.pool.database(), desk.pool.user());
    case WaitReason::reserve:
      return fmt::format("pool_size {} of {}/{} is reached, and reserve_pool_timeout has yet to pass", limits.pool_size,
                         desk.pool.database(), desk.pool.user());
    case WaitReason::max_db_connections:
      return fmt::format("max_db_connections {} of {} is reached", limits.db_connections, desk.pool.database());
    case WaitReason::max_user_connections:
      return fmt::format("max_user_connections {} of {} is reached", limits.user_connections, desk.pool.user());
    case WaitReason::pause:
      return "the pool is paused (PAUSE)";
    case WaitReason::login_retry:
      return "the last logins to the server failed (server_login_retry)";
    case WaitReason::connect:
      return "a connection to the server is being opened";
  }
  return {};
}

}  // namespace

std::string Worker::wait_detail(const PoolDesk& waiting) {
  const WaitReason reason = wait_reason(waiting);
  Counts applications, queries;
  int holders = 0, idle = 0;
  const std::size_t place = shared_.tracked.place_of("application_name");
  const auto look_at = [&](const PooledServer& pooled) {
    const auto& server = *static_cast<const ServerConnection*>(pooled.connection);
    if (!server.client) return;
    ++holders;
    idle += !server.client->in_query && server.client->in_transaction;
    const auto* name = policy::value_at(server.client->parameters, place);
    ++applications[name && *name && !(*name)->empty() ? **name : "no application_name"];
    std::string text;
    const std::string_view running = server.clock.running_text();
    const std::uint64_t id = !running.empty() ? sql::digest(running, text) : watch_ ? watch_->digests.id(server.last_digest) : 0;
    if (id) ++queries[fmt::format("{:016x}", id)];
  };
  for (const auto& [key, desk] : desks_) {
    const bool shares = desk.get() == &waiting ||
                        (reason == WaitReason::max_db_connections && desk->pool.database() == waiting.pool.database()) ||
                        (reason == WaitReason::max_user_connections && desk->pool.user() == waiting.pool.user());
    if (shares) desk->pool.servers(ServerState::active).for_each(look_at);
  }
  std::string text = limit_of(reason, waiting);
  if (holders > 0) {
    text += fmt::format("; {} servers are held by {}, {} of them idle in transaction", holders, first_of(applications), idle);
    if (!queries.empty()) text += fmt::format("; queries: {}", first_of(queries));
    if (shared_.fleet.size() > 1) text += " (as this worker sees it)";
  } else if (shared_.fleet.size() > 1 && reason <= WaitReason::reserve) {
    text += "; the servers are held on other workers: see SHOW WAITS";
  }
  return text + ".";
}

}  // namespace pgweir
