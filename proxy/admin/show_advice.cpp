// SHOW ADVICE: what the measured load asks for. It changes nothing; each line stands with its figures.
//
// Little's law: the servers that a load keeps busy are its transactions per second times a transaction's time on a
// server, which is the time in transactions divided by the time that passed.
#include <algorithm>
#include <array>
#include <cmath>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

constexpr std::array<compose::Column, 5> columns = {{{"database"}, {"user"}, {"topic"}, {"advice"}, {"figures"}}};

// A pool this busy still answers most requests without a wait; above it, waits grow fast.
constexpr double busy_wanted = 0.7;
// Bursts: so many transactions have waited, and the longest waits were longer than this, though servers are free on average.
constexpr double bursts_share = 0.02;
constexpr double bursts_ms = 10;
// Of the time in transactions, and at least for so long: servers that wait for their clients.
constexpr double idle_share = 0.3;
constexpr double idle_seconds = 1;
// Of clients, for health checks, consoles and those that reconnect.
constexpr double overhead = 0.1;

struct Load {
  PoolStats period, total;
  Ladder queue;
  WaitCounts waits{};
  std::uint64_t size = 0, clients = 0, busy = 0, open = 0, waiting = 0, pinned = 0;
  IsolationCounts isolation{};
  PoolMode mode = PoolMode::session;
};
using PoolName = std::pair<std::string, std::string>;

std::map<PoolName, Load> loads(const ShowContext& context) {
  std::map<PoolName, Load> result;
  for (const WorkerFacts& worker : context.workers) {
    for (const PoolFacts& pool : worker.pools) {
      Load& load = result[{pool.database, pool.user}];
      load.period += pool.last_period, load.total += pool.stats, load.queue += pool.times.queue;
      for (std::size_t i = 0; i < wait_reasons; ++i) load.waits[i] += pool.waits[i];
      load.size = pool.size, load.mode = pool.mode;
      load.clients += pool.clients_active + pool.clients_waiting, load.waiting += pool.clients_waiting;
      load.busy += pool.servers_active;
      load.pinned += pool.pinned, load.isolation += pool.isolation;
      load.open += pool.servers_active + pool.servers_idle + pool.servers_used + pool.servers_tested;
    }
  }
  return result;
}

// The pool's size by what its servers did in the last whole stats_period.
void advise_size(std::vector<Row>& rows, const PoolName& name, const Load& load, Duration period) {
  const double seconds_passed = static_cast<double>(count_us(period)) / 1e6;
  if (seconds_passed <= 0 || load.period.xacts == 0) {
    rows.push_back({name.first, name.second, "pool_size", "no advice before a whole stats_period with transactions", fmt::format("pool_size {}, {} transactions since the start", load.size, load.total.xacts)});
    return;
  }
  const double per_second = static_cast<double>(load.period.xacts) / seconds_passed;
  const double each_ms = static_cast<double>(load.period.xact_us) / 1000 / static_cast<double>(load.period.xacts);
  const double busy = static_cast<double>(load.period.xact_us) / 1e6 / seconds_passed;
  const auto wanted = static_cast<std::uint64_t>(std::max(1.0, std::ceil(busy / busy_wanted)));
  const double wait_ms = load.queue.quantile_ms(0.99);
  const double waited = load.total.xacts ? static_cast<double>(load.queue.count()) / static_cast<double>(load.total.xacts) : 0;
  std::string figures = fmt::format("{:.1f} transactions/s x {:.2f} ms = {:.2f} servers busy; / {:.1f} = {}; pool_size {}; {} waits ({:.1f} % of transactions) with p50 {:.1f} ms, p95 {:.1f} ms, p99 {:.1f} ms",
                                    per_second, each_ms, busy, busy_wanted, wanted, load.size, load.queue.count(), 100 * waited,
                                    load.queue.quantile_ms(0.5), load.queue.quantile_ms(0.95), wait_ms);
  std::string advice = "pool_size fits the load";
  if (load.mode == PoolMode::session) advice = "session mode: the pool needs a server for each client at work, whatever the load";
  else if (load.size > 0 && wanted > load.size) advice = fmt::format("raise pool_size to {}, or make transactions shorter", wanted);
  else if (load.size > 0 && waited > bursts_share && wait_ms > bursts_ms) advice = fmt::format("pool_size fits the mean load but not its bursts, in which clients wait: raise pool_size to {}, or spread them", load.size + (load.size + 3) / 4);
  else if (load.size > 2 * wanted && load.size > 4) advice = fmt::format("pool_size {} would do for this load; fewer servers cost PostgreSQL less", wanted);
  rows.push_back({name.first, name.second, "pool_size", advice, figures});
}

// Whatever the load: an application's workers x threads are the connections that it has open here, and twice that with some
// overhead is the most that it could keep busy, in a rolling restart. No pool needs to be larger.
void cross_check(std::vector<Row>& rows, const PoolName& name, const Load& load) {
  if (load.clients == 0) return;
  const auto most = static_cast<std::uint64_t>(std::ceil(static_cast<double>(load.clients) * 2 * (1 + overhead)));
  std::string advice = "pool_size is below what the clients of now could ever keep busy: sharing pays";
  if (load.size == 0) advice = fmt::format("pool_size is unlimited: more than {} servers would never be busy", most);
  else if (load.size > most) advice = fmt::format("pool_size is larger than the clients of now could ever keep busy: {} is enough", most);
  else if (load.size >= load.clients) advice = "there is a server for each client of now: nobody has to wait, and nothing is shared";
  rows.push_back({name.first, name.second, "cross-check", advice,
                  fmt::format("workers x threads = {} client connections; x 2 + {:.0f} % overhead = {}; pool_size {}, {} servers open", load.clients,
                              overhead * 100, most, load.size, load.open)});
}

std::string_view setting_of(WaitReason reason) {
  switch (reason) {
    case WaitReason::pool_size: return "pool_size binds";
    case WaitReason::reserve: return "pool_size binds until reserve_pool_timeout has passed";
    case WaitReason::max_db_connections: return "max_db_connections binds: pools of this database take servers from each other";
    case WaitReason::max_user_connections: return "max_user_connections binds: pools of this user take servers from each other";
    case WaitReason::pause: return "clients waited for RESUME";
    case WaitReason::login_retry: return "logins to the server failed: see the log, and server_login_retry";
    case WaitReason::connect: return "clients waited for connections to be opened: min_pool_size keeps some ready";
  }
  return {};
}

void advise_limits(std::vector<Row>& rows, const PoolName& name, const Load& load) {
  for (std::size_t i = 0; i < wait_reasons; ++i) {
    const WaitCount& count = load.waits[i];
    const std::uint64_t all = count.waits + count.given_up;
    if (all == 0) continue;
    rows.push_back({name.first, name.second, "waits", std::string(setting_of(static_cast<WaitReason>(i))),
                    fmt::format("{} waits, {} given up, mean {:.1f} ms, longest {:.1f} ms", all, count.given_up,
                                static_cast<double>(count_us(count.total)) / 1000 / static_cast<double>(all), static_cast<double>(count_us(count.longest)) / 1000)});
  }
}

// How much of the servers' time passed between the queries of transactions; in the last whole stats_period, if it had any.
void advise_idle(std::vector<Row>& rows, const PoolName& name, const Load& load) {
  const PoolStats& stats = load.period.xacts > 0 ? load.period : load.total;
  const double all = static_cast<double>(stats.xact_us) / 1e6;
  const double idle = all - static_cast<double>(stats.query_us) / 1e6;
  if (idle < idle_seconds || idle < idle_share * all) return;
  rows.push_back({name.first, name.second, "idle in transaction",
                  std::string("servers wait for their clients inside transactions: shorter ones, or idle_transaction_timeout; SHOW QUERIES tells behind which statements (idle_in_transaction_ms)"),
                  fmt::format("{:.1f} s of {:.1f} s in transactions ({:.0f} %) passed between their queries: {:.1f} ms in each of {}", idle, all, 100 * idle / all,
                              1000 * idle / static_cast<double>(stats.xacts), stats.xacts)});
}

// Servers that stay with their clients between transactions: nobody else gets them.
void advise_pins(std::vector<Row>& rows, const PoolName& name, const Load& load) {
  if (load.pinned == 0) return;
  std::string reasons;
  for (std::size_t i = 1; i < pin_reasons; ++i) {
    if (load.isolation.pins[i] == 0) continue;
    reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", text_of(static_cast<PinReason>(i)), load.isolation.pins[i]);
  }
  rows.push_back({name.first, name.second, "pinned servers",
                  std::string("servers stay with idle clients: pinned_idle_timeout bounds for how long, session_state = refuse forbids it"),
                  fmt::format("{} of {} servers now; reasons since the start: {}", load.pinned, load.open, reasons)});
}

// Who keeps servers from others at this moment while PostgreSQL does nothing for it.
void advise_holders(std::vector<Row>& rows, const ShowContext& context) {
  struct Idle {
    int servers = 0;
    Duration longest{};
    std::string who;
  };
  std::map<std::tuple<std::string, std::string, std::string>, Idle> found;
  for (const WorkerFacts& worker : context.workers) {
    for (const ActivityFacts& one : worker.activity) {
      if (one.state != "idle in transaction") continue;
      Idle& idle = found[{one.database, one.pool_user, one.application_name}];
      ++idle.servers;
      if (one.lasts >= idle.longest) idle.longest = one.lasts, idle.who = one.who;
    }
  }
  for (const auto& [key, idle] : found) {
    const auto& [database, user, application] = key;
    rows.push_back({database, user, "idle in transaction",
                    fmt::format("{} holds servers without using them: shorter transactions there, or idle_transaction_timeout",
                                application.empty() ? idle.who : application),
                    fmt::format("{} servers now, the longest for {:.1f} s by {}", idle.servers, static_cast<double>(count_us(idle.longest)) / 1e6, idle.who)});
  }
}

// Workers x threads is how many connections an application holds; the formula gives what it may need.
void advise_clients(std::vector<Row>& rows, const ShowContext& context) {
  const int now = context.ledger.sockets(), most = context.config.globals.max_client_conn;
  const int wanted = static_cast<int>(std::ceil(now * 2 * (1 + overhead)));
  rows.push_back({std::nullopt, std::nullopt, "max_client_conn",
                  wanted > most ? fmt::format("raise max_client_conn to {}: twice the applications of now, as in a rolling restart, would not get in", wanted)
                                : std::string("max_client_conn leaves room for twice the clients of now"),
                  fmt::format("workers x threads = {} client connections; x 2 + {:.0f} % = {}; max_client_conn {}", now, overhead * 100, wanted, most)});
}

std::vector<Row> rows(const ShowContext& context) {
  std::vector<Row> result;
  for (const auto& [name, load] : loads(context)) {
    advise_size(result, name, load, context.last_period);
    cross_check(result, name, load);
    advise_limits(result, name, load);
    advise_idle(result, name, load);
    advise_pins(result, name, load);
  }
  advise_holders(result, context);
  advise_clients(result, context);
  return result;
}

}  // namespace

constinit const Show show_advice{"advice", Wants::pools_and_activity, columns, rows};

}  // namespace pgweir
