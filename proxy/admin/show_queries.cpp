// SHOW QUERIES [BY what] [LIMIT n], and SHOW QUERY id. Times are milliseconds.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "protocol/sql/digest.h"
#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 34> queries_columns = {{
    {"queryid"}, {"database"}, {"user"}, {"application_name"}, {"calls", int8}, {"total_time_ms", numeric},
    {"mean_time_ms", numeric}, {"min_time_ms", numeric}, {"max_time_ms", numeric}, {"stddev_time_ms", numeric},
    {"p50_ms", numeric}, {"p90_ms", numeric}, {"p95_ms", numeric}, {"p99_ms", numeric}, {"p999_ms", numeric},
    {"queue_ms", numeric}, {"state_ms", numeric}, {"server_ms", numeric}, {"stream_ms", numeric}, {"client_ms", numeric},
    {"idle_in_transaction_ms", numeric}, {"max_queue_ms", numeric}, {"p99_queue_ms", numeric}, {"rows", int8}, {"errors", int8},
    {"last_sqlstate"}, {"bytes_in", int8}, {"bytes_out", int8}, {"first_seen"}, {"last_seen"}, {"evicted", int8},
    {"longest_by"}, {"tags"}, {"query"},
}};
constexpr std::size_t rows_default = 100;

Cell ms(double value) { return fmt::format("{:.3f}", value); }
std::string id_text(std::uint64_t id) { return fmt::format("{:016x}", id); }

using Measure = DigestTable::Measure;
struct Order {
  std::string_view word;
  Measure measure;
};
constexpr Order orders[] = {
    {"total", [](const DigestStats& s) { return s.total.total_ms(); }},
    {"mean", [](const DigestStats& s) { return s.total.mean_ms(); }},
    {"max", [](const DigestStats& s) { return s.total.max_ms(); }},
    {"p95", [](const DigestStats& s) { return s.total.quantile_ms(0.95); }},
    {"p99", [](const DigestStats& s) { return s.total.quantile_ms(0.99); }},
    {"calls", [](const DigestStats& s) { return static_cast<double>(s.calls); }},
    {"queue", [](const DigestStats& s) { return s.part(TimePart::queue).total_ms(); }},
    {"server", [](const DigestStats& s) { return s.part(TimePart::server).total_ms(); }},
    {"errors", [](const DigestStats& s) { return static_cast<double>(s.errors); }},
    {"rows", [](const DigestStats& s) { return static_cast<double>(s.rows); }},
};

struct Request {
  Measure by = orders[0].measure;
  std::size_t limit = rows_default;
};

std::optional<Request> read_request(std::span<const std::string> words) {
  Request request;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    const std::string& value = words[i + 1];
    if (words[i] == "by") {
      request.by = query_order(value);
      if (!request.by) return std::nullopt;
    } else if (words[i] == "limit") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), request.limit);
      if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  if (words.size() % 2 != 0) return std::nullopt;
  return request;
}

std::vector<DigestRow> merged(const ShowContext& context) {
  std::vector<std::vector<DigestRow>> tables;
  for (const WorkerFacts& worker : context.workers) tables.push_back(worker.queries);
  return merge(std::move(tables));
}

Row row_of(const DigestRow& row, std::uint64_t evicted) {
  const DigestStats& s = row.stats;
  const auto part = [&](TimePart which) { return ms(s.part(which).total_ms()); };
  return {id_text(row.id), row.database, row.user, text_or_null(row.application), number(s.calls), ms(s.total.total_ms()),
          ms(s.total.mean_ms()), ms(s.total.min_ms()), ms(s.total.max_ms()), ms(s.total.stddev_ms()),
          ms(s.total.quantile_ms(0.5)), ms(s.total.quantile_ms(0.9)), ms(s.total.quantile_ms(0.95)),
          ms(s.total.quantile_ms(0.99)), ms(s.total.quantile_ms(0.999)), part(TimePart::queue), part(TimePart::state),
          part(TimePart::server), part(TimePart::stream), part(TimePart::client), part(TimePart::idle),
          ms(s.part(TimePart::queue).max_ms()), ms(s.part(TimePart::queue).quantile_ms(0.99)), number(s.rows),
          number(s.errors), text_or_null(s.last_sqlstate.data()), number(s.bytes_in), number(s.bytes_out),
          print_time(s.first_seen), print_time(s.last_seen), number(evicted), s.longest.who, text_or_null(s.longest.tags),
          sql::readable(*row.text)};
}

std::vector<Row> queries_rows(const ShowContext& context) {
  const Request request = *read_request(context.words);
  std::vector<DigestRow> found = merged(context);
  std::uint64_t evicted = 0;
  for (const WorkerFacts& worker : context.workers) evicted += worker.query_counters.evicted;
  std::vector<std::pair<double, std::size_t>> ranks;
  for (std::size_t i = 0; i < found.size(); ++i) ranks.emplace_back(-request.by(found[i].stats), i);
  const std::size_t shown = std::min(request.limit, ranks.size());
  std::partial_sort(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(shown), ranks.end());
  std::vector<Row> rows;
  for (std::size_t i = 0; i < shown; ++i) rows.push_back(row_of(found[ranks[i].second], evicted));
  return rows;
}

bool understands_request(std::span<const std::string> words) { return read_request(words).has_value(); }

// --- SHOW QUERY id: names and values, one line each

constexpr std::array<compose::Column, 2> query_columns = {{{"name"}, {"value"}}};

void tell_spread(std::vector<Row>& rows, const std::string& name, const Spread& spread) {
  if (spread.count() == 0) return;
  rows.push_back({name, fmt::format("total {:.3f} ms, mean {:.3f}, min {:.3f}, max {:.3f}, stddev {:.3f}, p50 {:.3f}, "
                                    "p90 {:.3f}, p95 {:.3f}, p99 {:.3f}, p99.9 {:.3f}",
                                    spread.total_ms(), spread.mean_ms(), spread.min_ms(), spread.max_ms(), spread.stddev_ms(),
                                    spread.quantile_ms(0.5), spread.quantile_ms(0.9), spread.quantile_ms(0.95),
                                    spread.quantile_ms(0.99), spread.quantile_ms(0.999))});
}

void tell(std::vector<Row>& rows, const DigestRow& row) {
  const DigestStats& s = row.stats;
  rows.push_back({"queryid", id_text(row.id)});
  rows.push_back({"query", sql::readable(*row.text)});
  rows.push_back({"database", row.database});
  rows.push_back({"user", row.user});
  if (!row.application.empty()) rows.push_back({"application_name", row.application});
  rows.push_back({"calls", number(s.calls)});
  rows.push_back({"rows", number(s.rows)});
  rows.push_back({"bytes_in", number(s.bytes_in)});
  rows.push_back({"bytes_out", number(s.bytes_out)});
  rows.push_back({"errors", number(s.errors)});
  if (s.errors > 0) rows.push_back({"last_sqlstate", std::string(s.last_sqlstate.data())});
  rows.push_back({"first_seen", print_time(s.first_seen)});
  rows.push_back({"last_seen", print_time(s.last_seen)});
  tell_spread(rows, "time", s.total);
  for (std::size_t i = 0; i < time_parts; ++i) tell_spread(rows, time_part_names[i], s.parts[i]);
  rows.push_back({"longest", fmt::format("{:.3f} ms at {} by {} on server pid {}",
                                         static_cast<double>(count_us(s.longest.took)) / 1000,
                                         print_time(s.longest.at), s.longest.who, s.longest.server_pid)});
  if (!s.longest.tags.empty()) rows.push_back({"tags of the longest", s.longest.tags});
  if (!s.longest.statement.empty()) rows.push_back({"statement of the longest", s.longest.statement});
  if (!s.longest.values.empty()) rows.push_back({"parameters of the longest", s.longest.values});
  const Histogram histogram = s.total.histogram();
  const auto& buckets = histogram.buckets();
  for (unsigned i = 0; i < buckets.size(); ++i) {
    if (buckets[i] == 0) continue;
    rows.push_back({fmt::format("calls from {:.3f} ms", static_cast<double>(Histogram::floor_of(i)) / 1000), number(buckets[i])});
  }
}

void tell_windows(std::vector<Row>& rows, const DigestRow& row) {
  for (const WindowShare& w : row.windows) {
    const auto part = [&](TimePart which) { return w.parts_ms[static_cast<std::size_t>(which)]; };
    rows.push_back({"window to " + print_time(w.until),
                    fmt::format("calls {}, mean {:.3f} ms, total {:.3f}, queue {:.3f}, state {:.3f}, server {:.3f}, stream {:.3f}, client {:.3f}, "
                                "rows {}, errors {}", w.calls, w.total_ms / static_cast<double>(w.calls), w.total_ms,
                                part(TimePart::queue), part(TimePart::state), part(TimePart::server), part(TimePart::stream),
                                part(TimePart::client), w.rows, w.errors)});
  }
}

std::vector<Row> query_rows(const ShowContext& context) {
  std::vector<Row> rows;
  for (const DigestRow& row : merged(context)) {
    if (id_text(row.id) == context.words[0]) tell(rows, row), tell_windows(rows, row);
  }
  return rows;
}

bool understands_id(std::span<const std::string> words) { return words.size() == 1; }

}  // namespace

DigestTable::Measure query_order(std::string_view word) {
  const auto found = std::find_if(std::begin(orders), std::end(orders), [&](const Order& o) { return o.word == word; });
  return found == std::end(orders) ? nullptr : found->measure;
}

QueriesQuestion query_question(const Show& table, std::span<const std::string> words) {
  QueriesQuestion question;
  if (&table == &show_query) {
    std::uint64_t id = 0;   // what is no id fits none
    if (!words.empty()) (void)std::from_chars(words[0].data(), words[0].data() + words[0].size(), id, 16);
    question.ids = {id};
    question.windows = true;
  } else if (const auto request = read_request(words)) {
    question.by = request->by;
    question.limit = request->limit;
  }
  return question;
}

std::vector<WorkerFacts> facts_of(std::vector<WorkerQueries> answers) {
  std::vector<WorkerFacts> facts(answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    facts[i].queries = std::move(answers[i].rows);
    facts[i].query_counters = answers[i].counters;
  }
  return facts;
}

constinit const Show show_queries{"queries", Wants::queries, queries_columns, queries_rows, understands_request};
constinit const Show show_query{"query", Wants::queries, query_columns, query_rows, understands_id};

}  // namespace pgweir
