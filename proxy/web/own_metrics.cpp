// The metrics that are ours.
#include <algorithm>
#include <tuple>

#include "config/effective.h"
#include "protocol/sql/digest.h"
#include "proxy/core/version.h"
#include "proxy/web/metrics.h"

namespace pgweir {
namespace {

// As much of a statement as stands in a label; its digest tells it from others.
constexpr std::size_t query_label_bytes = 200;

using PoolName = std::pair<std::string_view, std::string_view>;
struct PoolSum {
  PoolTimes times;
  WaitCounts waits{};
  std::uint64_t handed_over = 0, busy = 0, size = 0, leaks = 0, listening = 0;
};

std::map<PoolName, PoolSum> sums(const Snapshot& snapshot) {
  std::map<PoolName, PoolSum> result;
  for (const WorkerFacts& worker : snapshot.workers) {
    for (const PoolFacts& pool : worker.pools) {
      PoolSum& sum = result[{pool.database, pool.user}];
      sum.times += pool.times;
      for (std::size_t i = 0; i < wait_reasons; ++i) sum.waits[i] += pool.waits[i];
      sum.handed_over += pool.stats.handed_over;
      sum.busy += pool.servers_active;
      sum.leaks += pool.isolation.leaks_detected;
      sum.listening += pool.listening;
      sum.size = pool.size;
    }
  }
  return result;
}

void tell_times(Exposition& out, const std::map<PoolName, PoolSum>& pools) {
  struct Kind {
    const char *name, *help;
    Ladder PoolTimes::*ladder;
  };
  constexpr Kind kinds[] = {
      {"pgweir_queue_seconds", "Time that requests waited for a server; those that need not wait are not counted", &PoolTimes::queue},
      {"pgweir_query_seconds", "Time from a request's way to a server to the end of the answer", &PoolTimes::query},
      {"pgweir_transaction_seconds", "Time from a transaction's first request to its end", &PoolTimes::xact},
  };
  for (const Kind& kind : kinds) {
    out.family(kind.name, "histogram", kind.help);
    for (const auto& [name, pool] : pools) {
      out.histogram({{"database", name.first}, {"user", name.second}}, pool.times.*kind.ladder);
    }
  }
}

void tell_waits(Exposition& out, const std::map<PoolName, PoolSum>& pools) {
  const auto each = [&](const char* name, const char* help, auto&& value) {
    out.family(name, "counter", help);
    for (const auto& [pool, sum] : pools) {
      for (std::size_t i = 0; i < wait_reasons; ++i) {
        const WaitCount& count = sum.waits[i];
        if (count.waits + count.given_up == 0) continue;
        out.sample({{"database", pool.first}, {"user", pool.second}, {"reason", name_of(static_cast<WaitReason>(i))}}, value(count));
      }
    }
  };
  each("pgweir_waits_total", "Waits for a server that ended with one, by what bound when they began",
       [](const WaitCount& count) { return static_cast<double>(count.waits); });
  each("pgweir_waits_given_up_total", "Waits for a server that ended without one",
       [](const WaitCount& count) { return static_cast<double>(count.given_up); });
  each("pgweir_wait_seconds_total", "Time spent in these waits",
       [](const WaitCount& count) { return static_cast<double>(count_us(count.total)) / 1e6; });
}

void tell_pools(Exposition& out, const std::map<PoolName, PoolSum>& pools) {
  out.family("pgweir_pool_size", "gauge", "Most servers that the pool may have, without its reserve; 0 is unlimited");
  for (const auto& [name, pool] : pools) {
    out.sample({{"database", name.first}, {"user", name.second}}, static_cast<double>(pool.size));
  }
  out.family("pgweir_pool_saturation_ratio", "gauge", "Servers in use by clients as a share of pool_size");
  for (const auto& [name, pool] : pools) {
    if (pool.size == 0) continue;
    out.sample({{"database", name.first}, {"user", name.second}},
               static_cast<double>(pool.busy) / static_cast<double>(pool.size));
  }
  out.family("pgweir_isolation_leaks_total", "counter", "Servers found with something of a client's that they must not have had any more");
  for (const auto& [name, pool] : pools) {
    out.sample({{"database", name.first}, {"user", name.second}}, static_cast<double>(pool.leaks));
  }
  out.family("pgweir_listening_clients", "gauge", "Clients whose channels are on a shared listener now");
  for (const auto& [name, pool] : pools) {
    out.sample({{"database", name.first}, {"user", name.second}}, static_cast<double>(pool.listening));
  }
  out.family("pgweir_servers_handed_over_total", "counter", "Servers that went to another worker");
  for (const auto& [name, pool] : pools) {
    out.sample({{"database", name.first}, {"user", name.second}}, static_cast<double>(pool.handed_over));
  }
}

void tell_tally(Exposition& out, const Tally& tally) {
  out.family("pgweir_errors_total", "counter", "Errors told to clients, the servers' and ours, by SQLSTATE");
  for (const ErrorCounts::Count& count : tally.errors.counts()) {
    out.sample({{"sqlstate", count.sqlstate.data()}}, static_cast<double>(count.errors));
  }
  if (tally.errors.other() > 0) out.sample({{"sqlstate", "other"}}, static_cast<double>(tally.errors.other()));
  out.family("pgweir_closed_connections_total", "counter", "Connections that ended, by side and reason");
  const auto closes = [&](std::string_view side, const auto& counts) {
    for (std::size_t i = 0; i < Tally::reasons; ++i) {
      if (counts[i] == 0) continue;
      out.sample({{"side", side}, {"reason", info(static_cast<CloseReason>(i)).name}}, static_cast<double>(counts[i]));
    }
  };
  closes("client", tally.client_closes);
  closes("server", tally.server_closes);
  out.family("pgweir_client_login_seconds", "histogram", "Time from a client's connection to the end of its login");
  out.histogram({}, tally.login);
  out.family("pgweir_tls_handshake_seconds", "histogram", "Time of TLS handshakes that succeeded, by the side that they were with");
  out.histogram({{"side", "client"}}, tally.client_tls);
  out.histogram({{"side", "server"}}, tally.server_tls);
  out.family("pgweir_client_logins_failed_total", "counter", "Clients that were refused before they were in");
  out.sample({}, static_cast<double>(tally.failed_logins));
}

}  // namespace

void tell_own_metrics(Exposition& out, const Snapshot& snapshot, const Ledger&) {
  const auto pools = sums(snapshot);
  out.family("pgweir_info", "gauge", "Our version");
  out.sample({{"version", PGWEIR_VERSION}}, 1);
  out.family("pgweir_workers", "gauge", "Threads that serve clients");
  out.sample({}, static_cast<double>(snapshot.workers.size()));
  tell_pools(out, pools);
  tell_times(out, pools);
  tell_waits(out, pools);
  tell_tally(out, snapshot.tally);
}

void tell_alert_metrics(Exposition& out, const Alerts& alerts) {
  out.family("pgweir_alert_firing", "gauge", "1 while the alert holds");
  for (std::size_t i = 0; i < alert_kinds; ++i) {
    const auto kind = static_cast<AlertKind>(i);
    out.sample({{"alert", name_of(kind)}}, alerts.firing(kind) ? 1 : 0);
  }
  out.family("pgweir_alerts_total", "counter", "How often each alert has begun");
  for (std::size_t i = 0; i < alert_kinds; ++i) {
    const auto kind = static_cast<AlertKind>(i);
    out.sample({{"alert", name_of(kind)}}, static_cast<double>(alerts.count(kind)));
  }
}

void tell_query_metrics(Exposition& out, const Snapshot& queries) {
  std::vector<std::vector<DigestRow>> tables;
  DigestCounters counters;
  for (const WorkerFacts& worker : queries.workers) {
    tables.push_back(worker.queries);
    counters += worker.query_counters;
  }
  std::vector<DigestRow> rows = merge(std::move(tables));
  std::sort(rows.begin(), rows.end(), [](const DigestRow& a, const DigestRow& b) { return a.stats.total.total_ms() > b.stats.total.total_ms(); });
  const auto most = static_cast<std::size_t>(queries.config->globals.metrics_queries);
  if (rows.size() > most) rows.resize(most);
  std::vector<std::pair<std::string, std::string>> names;  // id and text
  for (const DigestRow& row : rows) {
    names.emplace_back(fmt::format("{:016x}", row.id), sql::readable(*row.text).substr(0, query_label_bytes));
  }
  const bool by_application = queries.config->globals.query_digests_by_application;
  const auto labels_of = [&](std::size_t i) {
    std::vector<Label> labels{{"database", rows[i].database}, {"user", rows[i].user}, {"queryid", names[i].first}};
    if (by_application) labels.emplace_back("application_name", rows[i].application);
    return labels;
  };
  const auto each = [&](const char* name, const char* help, auto&& value) {
    out.family(name, "counter", help);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::vector<Label> labels = labels_of(i);
      labels.emplace_back("query", names[i].second);
      out.sample(labels, value(rows[i].stats));
    }
  };
  const auto seconds_of = [](const Spread& spread) { return spread.total_ms() / 1000; };
  each("pgweir_statement_calls_total", "Calls of the classes of statements that have taken the most time",
       [](const DigestStats& s) { return static_cast<double>(s.calls); });
  each("pgweir_statement_errors_total", "Errors of these", [](const DigestStats& s) { return static_cast<double>(s.errors); });
  each("pgweir_statement_rows_total", "Rows of these", [](const DigestStats& s) { return static_cast<double>(s.rows); });
  out.family("pgweir_statement_seconds_total", "counter", "Time of these, by part: queue, state, server, stream, client, idle_in_transaction (after it)");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t part = 0; part < time_parts; ++part) {
      std::vector<Label> labels = labels_of(i);
      labels.emplace_back("part", time_part_names[part]);
      out.sample(labels, seconds_of(rows[i].stats.parts[part]));
    }
  }
  out.family("pgweir_statement_entries", "gauge", "Classes of statements that are kept");
  out.sample({}, static_cast<double>(counters.entries));
  out.family("pgweir_statement_bytes", "gauge", "Memory that they take");
  out.sample({}, static_cast<double>(counters.bytes));
  out.family("pgweir_statements_evicted_total", "counter", "Classes of statements that made room for others");
  out.sample({}, static_cast<double>(counters.evicted));
}

}  // namespace pgweir
