// What a client hears that waits: which limit binds, and who has the servers. They may be on any worker, so that all are
// asked; who is to be told waits for that a tick at most.
#include <algorithm>
#include <map>

#include "protocol/compose.h"
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
      return fmt::format("the last logins to the server failed: {} (server_login_retry)", desk.pool.last_error());
    case WaitReason::connect:
      return "a connection to the server is being opened";
  }
  return {};
}

}  // namespace

// Of one worker; then of all.
struct Worker::Holders {
  Counts applications, queries, pins;
  int servers = 0, idle = 0;

  Holders& operator+=(const Holders& other) {
    for (const auto& [name, count] : other.applications) applications[name] += count;
    for (const auto& [id, count] : other.queries) queries[id] += count;
    for (const auto& [why, count] : other.pins) pins[why] += count;
    servers += other.servers, idle += other.idle;
    return *this;
  }
};

// Clients of one pool that are to hear why they wait.
struct Worker::WaitRound {
  PoolKey key;
  std::string database, user;
  WaitReason reason;
  std::vector<Token> to_notify, to_end;
  unsigned missing;      // workers that have not answered; counted by who asks
  std::vector<Holders> found;
};

// Those who have the servers that the round's limit is about, here.
Worker::Holders Worker::holders_of(const WaitRound& round) const {
  Holders holders;
  const std::size_t place = shared_.tracked.place_of("application_name");
  const auto look_at = [&](const PooledServer& pooled) {
    const auto& server = *static_cast<const ServerConnection*>(pooled.connection);
    if (!server.client) return;
    ++holders.servers;
    holders.idle += !server.client->in_query && server.client->in_transaction;
    if (server.client->pin != PinReason::none) ++holders.pins[text_of(server.client->pin)];
    const auto* name = policy::value_at(server.client->parameters, place);
    ++holders.applications[name && *name && !(*name)->empty() ? **name : "no application_name"];
    std::string text;
    const std::string_view running = server.clock.running_text();
    const std::uint64_t id = !running.empty() ? sql::digest(running, text) : watch_ ? watch_->digests.id(server.last_digest) : 0;
    if (id) ++holders.queries[fmt::format("{:016x}", id)];
  };
  for (const auto& [key, desk] : desks_) {
    const bool shares = key == round.key ||
                        (round.reason == WaitReason::max_db_connections && desk->pool.database() == round.database) ||
                        (round.reason == WaitReason::max_user_connections && desk->pool.user() == round.user);
    if (shares) desk->pool.servers(ServerState::active).for_each(look_at);
  }
  return holders;
}

void Worker::explain_waits(const PoolDesk& desk, std::vector<Token> to_notify, std::vector<Token> to_end) {
  const auto round = std::make_shared<WaitRound>();
  const unsigned workers = shared_.fleet.size();
  *round = {desk.pool.account().key, desk.pool.database(), desk.pool.user(), wait_reason(desk), std::move(to_notify),
            std::move(to_end), workers, {}};
  round->found.resize(workers);
  if (workers == 1) {
    round->found[0] = holders_of(*round);
    return tell_explained(*round);
  }
  for (unsigned n = 0; n < workers; ++n) {
    shared_.fleet.post(n, [round, n, home = number_](Worker& other) {
      round->found[n] = other.holders_of(*round);
      other.shared_.fleet.post(home, [round](Worker& back) {
        if (--round->missing == 0) back.tell_explained(*round);
      });
    });
  }
}

void Worker::tell_explained(const WaitRound& round) {
  const auto desk = desks_.find(round.key);
  if (desk == desks_.end()) return;
  Holders all;
  for (const Holders& one : round.found) all += one;
  std::string words = limit_of(round.reason, *desk->second);
  if (all.servers > 0) {
    words += fmt::format("; {} servers are held by {}, {} of them idle in transaction", all.servers, first_of(all.applications), all.idle);
    if (!all.pins.empty()) words += fmt::format("; kept by {}", first_of(all.pins));
    if (!all.queries.empty()) words += fmt::format("; queries: {}", first_of(all.queries));
  }
  words += ".";
  const auto still_waits = [&](Token token) {
    ClientSession* client = clients_.find(token);
    return client && (client->phase == ClientPhase::queued || client->phase == ClientPhase::welcoming) ? client : nullptr;
  };
  for (const Token token : round.to_notify) {
    ClientSession* client = still_waits(token);
    if (!client) continue;
    Buffer notice;
    compose::notice_response(notice, "NOTICE", "00000",
                             "No server connection available in postgres backend, client being queued", words);
    tell(*client, notice);
  }
  for (const Token token : round.to_end) {
    ClientSession* client = still_waits(token);
    if (!client) continue;
    client->wait_reason = round.reason;
    farewell_detail_ = words;
    end_client(*client, CloseReason::query_wait_timeout);
    farewell_detail_.clear();
  }
}

}  // namespace pgweir
