// The JSON that the page is made of. Reading only.
#include <boost/json.hpp>
#include <algorithm>
#include <charconv>

#include "protocol/sql/digest.h"
#include "proxy/core/log.h"
#include "proxy/web/web.h"

namespace pgweir {
namespace {

namespace json = boost::json;

// The tables of SHOW that the page may ask for: those whose rows do not grow with the number of clients.
constexpr std::string_view tables[] = {"pools",        "databases", "stats_totals", "lists", "queries", "version",
                                       "slow_queries", "waits",     "activity",     "mem",   "state"};
constexpr std::size_t queries_max = 500;

std::string iso(WallTime at) { return std::to_string(at.time_since_epoch().count() / 1000); }
double ms(Duration value) { return static_cast<double>(count_us(value)) / 1000; }
std::int64_t epoch_ms(WallTime at) { return at.time_since_epoch().count() / 1000; }

json::value value_of(const Cell& cell, std::uint32_t type) {
  if (!cell) return nullptr;
  if (type == compose::oid::text) return json::string(*cell);
  double number = 0;
  const auto [end, error] = std::from_chars(cell->data(), cell->data() + cell->size(), number);
  if (error != std::errc{} || end != cell->data() + cell->size()) return json::string(*cell);
  if (cell->find('.') == std::string::npos) return static_cast<std::int64_t>(number);
  return number;
}

json::array rows_of(const Show& table, const ShowContext& context) {
  json::array result;
  for (const Row& row : table.rows(context)) {
    json::object one;
    for (std::size_t i = 0; i < row.size(); ++i) one[table.columns[i].name] = value_of(row[i], table.columns[i].type_oid);
    result.push_back(std::move(one));
  }
  return result;
}

// `by=total&limit=50`: the value of one of these, empty when it is not there.
std::string_view parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view one = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (one.size() > name.size() && one.substr(0, name.size()) == name && one[name.size()] == '=') return one.substr(name.size() + 1);
  }
  return {};
}

std::int64_t number_in(std::string_view text, std::int64_t otherwise, std::int64_t lowest, std::int64_t highest) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return otherwise;
  return std::clamp(number, lowest, highest);
}

json::object spread_of(const Spread& spread) {
  return {{"count", spread.count()},          {"total_ms", spread.total_ms()}, {"mean_ms", spread.mean_ms()},
          {"min_ms", spread.min_ms()},        {"max_ms", spread.max_ms()},     {"stddev_ms", spread.stddev_ms()},
          {"p50_ms", spread.quantile_ms(0.5)}, {"p90_ms", spread.quantile_ms(0.9)}, {"p95_ms", spread.quantile_ms(0.95)},
          {"p99_ms", spread.quantile_ms(0.99)}, {"p999_ms", spread.quantile_ms(0.999)}};
}

json::object told(const DigestRow& row) {
  const DigestStats& s = row.stats;
  json::object parts;
  for (std::size_t i = 0; i < time_parts; ++i) parts[time_part_names[i]] = spread_of(s.parts[i]);
  json::array buckets;
  const Histogram histogram = s.total.histogram();
  const auto& counts = histogram.buckets();
  for (unsigned i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    buckets.push_back(json::array{static_cast<double>(Histogram::floor_of(i)) / 1000,
                                  static_cast<double>(Histogram::floor_of(i + 1)) / 1000, counts[i]});
  }
  json::array windows;
  for (const WindowShare& share : row.windows) {
    json::object one{{"from", epoch_ms(share.from)}, {"at", epoch_ms(share.until)}, {"calls", share.calls}, {"errors", share.errors},
                     {"rows", share.rows}, {"total_ms", share.total_ms}, {"mean_ms", share.total_ms / static_cast<double>(share.calls)}};
    for (std::size_t i = 0; i < time_parts; ++i) one[std::string(time_part_names[i]) + "_ms"] = share.parts_ms[i];
    windows.push_back(std::move(one));
  }
  return {{"queryid", fmt::format("{:016x}", row.id)}, {"query", sql::readable(*row.text)}, {"database", row.database},
          {"user", row.user}, {"application_name", row.application}, {"calls", s.calls}, {"rows", s.rows}, {"errors", s.errors}, {"last_sqlstate", s.last_sqlstate.data()},
          {"bytes_in", s.bytes_in}, {"bytes_out", s.bytes_out}, {"first_seen", epoch_ms(s.first_seen)}, {"last_seen", epoch_ms(s.last_seen)},
          {"time", spread_of(s.total)}, {"parts", std::move(parts)}, {"histogram", std::move(buckets)}, {"windows", std::move(windows)},
          {"longest", json::object{{"took_ms", ms(s.longest.took)}, {"at", epoch_ms(s.longest.at)}, {"by", s.longest.who}, {"server_pid", s.longest.server_pid},
                                   {"tags", s.longest.tags}, {"statement", s.longest.statement}, {"parameters", s.longest.values}}}};
}

}  // namespace

HttpAnswer json_answer(std::string body, unsigned status) { return {status, "application/json", std::move(body), {}}; }

HttpAnswer json_error(unsigned status, std::string_view text) {
  return json_answer(json::serialize(json::object{{"error", text}}), status);
}

void Web::api(const HttpRequest& request, Reply reply) {
  const std::string_view path = std::string_view(request.path).substr(5);
  if (path == "session") return api_session(request, std::move(reply));
  if (path == "command") return api_command(request, std::move(reply));
  if (request.method != "GET" && request.method != "HEAD") return reply(json_error(405, "GET only"));
  if (path == "overview") return api_overview(std::move(reply));
  if (path == "history") return api_history(request.query, std::move(reply));
  if (path == "closes") return api_closes(std::move(reply));
  if (path.rfind("show/", 0) == 0) return api_show(std::string(path.substr(5)), request.query, std::move(reply));
  if (path.rfind("query/", 0) == 0) return api_query(std::string(path.substr(6)), std::move(reply));
  reply(json_error(404, "there is no such thing below /api/"));
}

// Who looks sees each pool once, however many workers it is on.
void Web::api_overview(Reply reply) {
  ask_for_pools([this, reply](const SnapshotPtr& snapshot) {
    const ShowContext context = snapshot->context(ledger_, version_);
    json::array pools = rows_of(*find_show("pools"), context);
    std::map<std::pair<std::string_view, std::string_view>, const PoolFacts*> facts;
    for (const WorkerFacts& worker : snapshot->workers) {
      for (const PoolFacts& pool : worker.pools) facts[{pool.database, pool.user}] = &pool;
    }
    json::array shown;
    for (json::value& value : pools) {
      json::object& pool = value.as_object();
      const std::string database(pool["database"].as_string());
      const auto found = facts.find({database, std::string_view(pool["user"].as_string())});
      const std::uint64_t size = found == facts.end() ? 0 : found->second->size;
      const auto busy = static_cast<double>(pool["sv_active"].as_int64());
      pool["pool_size"] = size;
      if (size == 0) pool["saturation"] = nullptr;
      else pool["saturation"] = 100 * busy / static_cast<double>(size);
      pool["paused"] = snapshot->all_paused || snapshot->paused.count(database) > 0;
      if (database != console_database) shown.push_back(std::move(value));
    }
    json::array alerts;
    for (std::size_t i = 0; i < alert_kinds; ++i) {
      const auto kind = static_cast<AlertKind>(i);
      if (alerts_.firing(kind)) alerts.push_back(json::object{{"alert", name_of(kind)}, {"text", alerts_.text(kind)}});
    }
    const Interval now = history_.last(10);
    reply(json_answer(json::serialize(json::object{
        {"version", version_}, {"workers", snapshot->workers.size()}, {"at", epoch_ms(snapshot->at)},
        {"paused", snapshot->all_paused}, {"leaving", snapshot->leaving}, {"alerts", std::move(alerts)}, {"pools", std::move(shown)},
        {"max_client_conn", snapshot->config->globals.max_client_conn}, {"clients", ledger_.sockets()},
        {"databases", rows_of(*find_show("databases"), context)},
        {"now", json::object{{"queries", now.queries}, {"xacts", now.xacts}, {"errors", now.errors},
                             {"received", now.received}, {"sent", now.sent},
                             {"p50_ms", now.times.query.quantile_ms(0.5)}, {"p99_ms", now.times.query.quantile_ms(0.99)},
                             {"queue_p99_ms", now.times.queue.quantile_ms(0.99)}}}})));
  });
}

// To the log and to the webhook, with what clients wait for and who makes them wait.
void Web::tell(const AlertChange& change, const SnapshotPtr& snapshot) {
  const std::string_view name = name_of(change.kind);
  if (change.firing) log::line(log::Level::warning, "alert {}: {}", name, change.text);
  else log::line(log::Level::log, "alert {} is over", name);
  const std::string& url = config_->globals.alert_webhook;
  if (url.empty()) return;
  const ShowContext context = snapshot->context(ledger_, version_);
  json::object body{{"alert", name}, {"state", change.firing ? "firing" : "over"}, {"text", change.firing ? change.text : ""},
                    {"at", epoch_ms(snapshot->at)}, {"pooler", "pgweir " + version_},
                    {"waits", rows_of(*find_show("waits"), context)}, {"pools", rows_of(*find_show("pools"), context)}};
  if (change.kind == AlertKind::isolation_leaks) body["isolation"] = rows_of(*find_show("isolation"), context);
  server_.send_post(url, json::serialize(body), [url](const std::string& error) {
    if (!error.empty()) log::line(log::Level::error, "alert_webhook {}: {}", url, error);
  });
}

void Web::api_history(const std::string& query, Reply reply) {
  json::array points;
  for (const Interval& one : history_.last(number_in(parameter(query, "seconds"), 900, 10, 3600), 240)) {
    points.push_back(json::object{
        {"at", epoch_ms(one.until)}, {"queries", one.queries}, {"xacts", one.xacts}, {"errors", one.errors},
        {"received", one.received}, {"sent", one.sent}, {"clients", one.clients}, {"waiting", one.waiting},
        {"active", one.active}, {"idle", one.idle}, {"p50_ms", one.times.query.quantile_ms(0.5)},
        {"p95_ms", one.times.query.quantile_ms(0.95)}, {"p99_ms", one.times.query.quantile_ms(0.99)},
        {"queue_p99_ms", one.times.queue.quantile_ms(0.99)}});
  }
  reply(json_answer(json::serialize(json::object{{"points", std::move(points)}})));
}

void Web::api_show(const std::string& name, const std::string& query, Reply reply) {
  const Show* table = std::find(std::begin(tables), std::end(tables), name) != std::end(tables) ? find_show(name) : nullptr;
  if (!table) return reply(json_error(404, "there is no such table here"));
  std::vector<std::string> words;
  Question question;
  question.wants = table->wants;
  if (table->wants == Wants::queries) {
    const std::string by(parameter(query, "by").empty() ? "total" : parameter(query, "by"));
    question.queries.by = query_order(by);
    if (!question.queries.by) return reply(json_error(400, "queries cannot be sorted by that"));
    question.queries.limit = static_cast<std::size_t>(number_in(parameter(query, "limit"), 50, 1, queries_max));
    words = {"by", by, "limit", std::to_string(question.queries.limit)};
  }
  ask(std::move(question), [this, table, words, reply](const SnapshotPtr& snapshot) {
    json::object answer{{"at", iso(snapshot->at)}, {"rows", rows_of(*table, snapshot->context(ledger_, version_, words))}};
    reply(json_answer(json::serialize(answer)));
  });
}

void Web::api_query(const std::string& text, Reply reply) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (text.size() != 16 || error != std::errc{} || end != text.data() + text.size()) return reply(json_error(400, "a queryid has 16 hex digits"));
  Question question;
  question.wants = Wants::queries;
  question.queries.ids = {id};
  question.queries.windows = true;
  ask(std::move(question), [reply](const SnapshotPtr& snapshot) {
    std::vector<std::vector<DigestRow>> found;
    for (const WorkerFacts& worker : snapshot->workers) found.push_back(worker.queries);
    json::array entries;
    for (const DigestRow& row : merge(std::move(found))) entries.push_back(told(row));
    if (entries.empty()) return reply(json_error(404, "no such query; it may have made room for others"));
    reply(json_answer(json::serialize(json::object{{"entries", std::move(entries)}})));
  });
}

void Web::api_closes(Reply reply) {
  Question question;
  question.wants = Wants::nothing;
  question.closes = true;
  ask(std::move(question), [reply](const SnapshotPtr& snapshot) {
    std::vector<const ClosedConnection*> all;
    for (const ClosedConnection& one : snapshot->closes) all.push_back(&one);
    std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->at > b->at; });
    if (all.size() > CloseRing::size_max) all.resize(CloseRing::size_max);
    json::array rows;
    for (const ClosedConnection* one : all) {
      rows.push_back(json::object{{"at", epoch_ms(one->at)}, {"side", one->server ? "server" : "client"}, {"database", one->database},
                                  {"user", one->user}, {"who", one->who}, {"reason", info(one->reason).name}, {"text", one->text}, {"age_s", ms(one->age) / 1000}});
    }
    json::object counts;
    for (std::size_t i = 0; i < Tally::reasons; ++i) {
      const std::uint64_t sum = snapshot->tally.client_closes[i] + snapshot->tally.server_closes[i];
      if (sum > 0) counts[info(static_cast<CloseReason>(i)).name] = sum;
    }
    reply(json_answer(json::serialize(json::object{{"rows", std::move(rows)}, {"counts", std::move(counts)}})));
  });
}

}  // namespace pgweir
