#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <vector>

#include "bench/report.h"

namespace pgweir::bench {
namespace {

using Cells = std::vector<std::string>;

// Three digits that matter, and k and M beyond.
std::string short_number(double value) {
  if (value >= 99'950'000) return fmt::format("{:.0f}M", value / 1e6);
  if (value >= 9'995'000) return fmt::format("{:.1f}M", value / 1e6);
  if (value >= 99'950) return fmt::format("{:.0f}k", value / 1e3);
  if (value >= 9'995) return fmt::format("{:.1f}k", value / 1e3);
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

std::string with_bounds(const Spread& spread, unsigned rounds) {
  if (rounds < 2) return short_number(spread.median);
  return fmt::format("{} ({}-{})", short_number(spread.median), short_number(spread.min),
                     short_number(spread.max));
}

std::string or_dash(const std::optional<Spread>& spread) {
  return spread ? short_number(spread->median) : "-";
}

Cells cells_of(const Row& row) {
  Cells cells{row.target, std::string(name_of(row.protocol)), fmt::format("{}", row.clients)};
  if (row.rounds == 0) {
    cells.insert(cells.end(), 11, "-");
    cells.push_back("not measured");
    return cells;
  }
  cells.push_back(with_bounds(row.per_second, row.rounds));
  cells.push_back(row.cpu_us ? with_bounds(*row.cpu_us, row.rounds) : "-");
  for (const Spread* latency : {&row.p50, &row.p90, &row.p99, &row.p999, &row.longest})
    cells.push_back(short_number(latency->median));
  cells.push_back(or_dash(row.rss_mib));
  cells.push_back(or_dash(row.client_bytes));
  cells.push_back(row.voluntary
                      ? fmt::format("{:.2f}/{:.2f}", row.voluntary->median, row.involuntary->median)
                      : "-");
  cells.push_back(fmt::format("{:.0f}%", row.generator_busy.median * 100));
  cells.push_back(fmt::format("{}", row.failed));
  return cells;
}

std::string aligned(const std::vector<Cells>& lines) {
  std::vector<std::size_t> widths(lines[0].size(), 0);
  for (const Cells& cells : lines)
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  std::string out;
  for (std::size_t l = 0; l < lines.size(); ++l) {
    for (std::size_t i = 0; i < widths.size(); ++i)
      out += i < 2 ? fmt::format("| {:<{}} ", lines[l][i], widths[i])
                   : fmt::format("| {:>{}} ", lines[l][i], widths[i]);
    out += "|\n";
    if (l > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i)
      out += "|" + std::string(widths[i] + 1, '-') + (i < 2 ? "-" : ":");
    out += "|\n";
  }
  return out;
}

std::string notes_on(const Row& row) {
  std::string out;
  const std::string name =
      fmt::format("{} {} {} clients", row.target, name_of(row.protocol), row.clients);
  for (const std::string& failure : row.failures)
    out += fmt::format("{}: not measured: {}\n", name, failure);
  for (const auto& [text, count] : row.errors)
    out += fmt::format("{}: {} x {}\n", name, count, text);
  if (row.unfinished > 0)
    out += fmt::format("{}: {} transactions were not over when the drain ended\n", name,
                       row.unfinished);
  constexpr double busy = 0.9;
  if (row.generator_busy.median > busy)
    out += fmt::format("{}: the generator itself was {:.0f} % busy; give it more --threads\n", name,
                       row.generator_busy.median * 100);
  return out;
}

}  // namespace

std::string to_table(const Report& report) {
  std::vector<Cells> lines{{"target", "protocol", "clients", "tx/s", "CPU us/tx", "p50 us", "p90",
                            "p99", "p99.9", "max", "RSS MiB", "B/client", "switches/tx",
                            "generator", "failed"}};
  std::string notes;
  for (const Row& row : report.rows) {
    lines.push_back(cells_of(row));
    notes += notes_on(row);
  }
  std::string out = fmt::format("{}: {}{}\n\n{}", report.title, report.what,
                                report.stopped ? " (stopped early)" : "", aligned(lines));
  if (!notes.empty()) out += "\n" + notes;
  return out;
}

}  // namespace pgweir::bench
