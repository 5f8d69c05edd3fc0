#include <spdlog/fmt/fmt.h>

#include "bench/report.h"

namespace pgweir::bench {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (byte < 0x20)
      out += fmt::format("\\u{:04x}", byte);
    else
      out.push_back(c);
  }
  return out + '"';
}

std::string spread(const Spread& s) {
  std::string rounds;
  for (const double value : s.rounds)
    rounds += fmt::format("{}{:.6g}", rounds.empty() ? "" : ", ", value);
  return fmt::format(R"({{"median": {:.6g}, "min": {:.6g}, "max": {:.6g}, "rounds": [{}]}})",
                     s.median, s.min, s.max, rounds);
}

std::string spread(const std::optional<Spread>& s) {
  return s ? spread(*s) : "null";
}

// The latency in microseconds that so many per cent do not exceed.
std::string distribution(const Histogram& latency) {
  std::string out = "[";
  for (const double percent :
       {0., 1., 5., 10., 25., 50., 75., 90., 95., 99., 99.5, 99.9, 99.99, 99.999, 100.}) {
    out += fmt::format("{}[{:g}, {:.3f}]", out.size() > 1 ? ", " : "", percent,
                       static_cast<double>(latency.quantile(percent / 100).count()) / 1e3);
  }
  return out + "]";
}

std::string errors_of(const Row& row) {
  std::string out;
  for (const auto& [text, count] : row.errors)
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", quoted(text), count);
  return "{" + out + "}";
}

std::string failures_of(const Row& row) {
  std::string out;
  for (const std::string& text : row.failures) out += (out.empty() ? "" : ", ") + quoted(text);
  return "[" + out + "]";
}

std::string row_object(const Row& row) {
  std::string out = fmt::format(
      "    {{\"target\": {}, \"protocol\": \"{}\", \"clients\": {}, \"rounds\": {}, "
      "\"completed\": {}, \"failed\": {}, \"unfinished\": {},\n     \"errors\": {}, "
      "\"failures\": {}",
      quoted(row.target), name_of(row.protocol), row.clients, row.rounds, row.completed, row.failed,
      row.unfinished, errors_of(row), failures_of(row));
  if (row.rounds == 0) return out + "}";
  const auto member = [&out](std::string_view name, const std::string& value) {
    out += fmt::format(",\n     \"{}\": {}", name, value);
  };
  member("transactions_per_second", spread(row.per_second));
  member("latency_us_p50", spread(row.p50));
  member("latency_us_p90", spread(row.p90));
  member("latency_us_p99", spread(row.p99));
  member("latency_us_p999", spread(row.p999));
  member("latency_us_max", spread(row.longest));
  member("latency_us_distribution", distribution(row.latency));
  member("received_megabytes_per_second", spread(row.megabytes_per_second));
  member("generator_busy", spread(row.generator_busy));
  member("cpu_us_per_transaction", spread(row.cpu_us));
  member("cpu_cores", spread(row.cpu_cores));
  member("voluntary_switches_per_transaction", spread(row.voluntary));
  member("involuntary_switches_per_transaction", spread(row.involuntary));
  member("rss_mib", spread(row.rss_mib));
  member("bytes_per_client", spread(row.client_bytes));
  return out + "}";
}

}  // namespace

std::string to_json(const Report& report) {
  std::string rows;
  for (const Row& row : report.rows) rows += (rows.empty() ? "" : ",\n") + row_object(row);
  return fmt::format(
      "{{\n  \"title\": {},\n  \"what\": {},\n  \"stopped\": {},\n  \"rows\": [\n{}\n  ]\n}}\n",
      quoted(report.title), quoted(report.what), report.stopped, rows);
}

}  // namespace pgweir::bench
