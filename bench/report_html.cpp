#include <spdlog/fmt/fmt.h>

#include "bench/plot.h"
#include "bench/report.h"

namespace pgweir::bench {
namespace {

constexpr std::string_view head = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{}</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1100px; color: #222; }}
pre {{ overflow-x: auto; background: #f6f6f4; padding: 1em; font-size: 12px; }}
.plots {{ display: flex; flex-wrap: wrap; gap: 1.5em; }}
figure {{ margin: 0; }} figcaption {{ font-weight: 600; margin-bottom: .3em; }}
svg text {{ font: 11px system-ui, sans-serif; fill: #444; }}
</style></head><body><h1>{}</h1><p>{}</p>
)";

std::vector<Protocol> protocols_in(const Report& report) {
  std::vector<Protocol> found;
  for (const Row& row : report.rows)
    if (found.empty() || found.back() != row.protocol) found.push_back(row.protocol);
  return found;
}

// One line per target over the number of clients.
Plot against_clients(const Report& report, Protocol protocol, std::string title,
                     const std::function<std::optional<double>(const Row&)>& value) {
  Plot plot;
  plot.title = std::move(title);
  plot.x_name = "clients";
  plot.x_scale = Scale::logarithmic;
  for (const Row& row : report.rows) {
    if (row.protocol != protocol || row.rounds == 0) continue;
    if (const auto y = value(row)) plot.line(row.target).push_back({double(row.clients), *y});
  }
  return plot;
}

// Latency over the share of transactions that are slower, so that tails take up room.
Plot latencies(const Report& report, Protocol protocol, unsigned clients) {
  Plot plot;
  plot.title = fmt::format("latency in us, {}, {} clients", name_of(protocol), clients);
  plot.x_name = "per cent of transactions";
  plot.x_scale = Scale::tail;
  plot.y_scale = Scale::logarithmic;
  for (const Row& row : report.rows) {
    if (row.protocol != protocol || row.clients != clients || row.latency.count() == 0) continue;
    for (double slower = 1; slower * static_cast<double>(row.latency.count()) >= 1; slower /= 1.25)
      plot.line(row.target)
          .push_back({slower, static_cast<double>(row.latency.quantile(1 - slower).count()) / 1e3});
  }
  return plot;
}

std::string plots_for(const Report& report, Protocol protocol) {
  const std::string name(name_of(protocol));
  std::string out = to_svg(
      against_clients(report, protocol, "transactions per second, " + name,
                      [](const Row& row) { return std::optional<double>(row.per_second.median); }));
  out += to_svg(
      against_clients(report, protocol, "CPU us per transaction, " + name, [](const Row& row) {
        return row.cpu_us ? std::optional<double>(row.cpu_us->median) : std::nullopt;
      }));
  out += to_svg(against_clients(report, protocol, "p99 in us, " + name, [](const Row& row) {
    return std::optional<double>(row.p99.median);
  }));
  unsigned drawn = 0;
  for (const Row& row : report.rows) {
    if (row.protocol != protocol || row.clients == drawn) continue;
    drawn = row.clients;
    out += to_svg(latencies(report, protocol, drawn));
  }
  return out;
}

}  // namespace

std::string to_html(const Report& report) {
  const std::string title = escaped(report.title);
  std::string out = fmt::format(head, title, title, escaped(report.what));
  for (const Protocol protocol : protocols_in(report))
    out += fmt::format("<h2>{}</h2>\n<div class=\"plots\">\n{}</div>\n", name_of(protocol),
                       plots_for(report, protocol));
  out += fmt::format("<h2>All figures</h2>\n<pre>{}</pre>\n", escaped(to_table(report)));
  return out + "</body></html>\n";
}

}  // namespace pgweir::bench
