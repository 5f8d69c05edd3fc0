#include "bench/plot.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace pgweir::bench {
namespace {

constexpr double width = 520, height = 300;
constexpr double left = 56, right = 12, top = 8, bottom = 40;
// Told apart also by those who see colours differently (Okabe and Ito).
constexpr std::array<const char*, 7> colours{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                             "#e69f00", "#56b4e9", "#222222"};

struct Mark {
  double at = 0;  // in scale units
  std::string text;
};

double in_units(Scale scale, double value) {
  switch (scale) {
    case Scale::linear:
      return value;
    case Scale::logarithmic:
      return std::log10(std::max(value, 1e-9));
    case Scale::tail:
      return -std::log10(std::max(value, 1e-9));
  }
  return value;
}

std::string tick_text(double value) {
  if (value >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:g}", value);
}

// One axis: its scale, its range in units, and the pixels it spans.
struct Axis {
  Scale scale;
  double low, high;
  double from, to;

  double pixel(double value) const { return pixel_of_units(in_units(scale, value)); }
  double pixel_of_units(double units) const {
    return from + (units - low) / (high - low) * (to - from);
  }
  std::vector<Mark> marks() const;
};

std::vector<Mark> Axis::marks() const {
  std::vector<Mark> found;
  if (scale == Scale::linear) {
    const double power = std::pow(10, std::floor(std::log10(std::max(high, 1e-9))));
    const double step = high / power > 5 ? power : high / power > 2 ? power / 2 : power / 5;
    for (double at = 0; at <= high * 1.0001; at += step) found.push_back({at, tick_text(at)});
    return found;
  }
  for (double decade = std::floor(low); decade <= std::ceil(high); decade += 1) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      if (scale == Scale::tail && digit != 1) continue;
      const double at = decade + std::log10(digit);
      if (at < low - 1e-9 || at > high + 1e-9) continue;
      found.push_back({at, scale == Scale::tail
                               ? fmt::format("{:g}", 100 - 100 * std::pow(10, -decade))
                               : tick_text(digit * std::pow(10, decade))});
    }
  }
  return found;
}

Axis fitted(Scale scale, const Plot& plot, double Point::*coordinate, double from, double to) {
  Axis axis{scale, 1e300, -1e300, from, to};
  for (const auto& [name, points] : plot.lines) {
    for (const Point& point : points) {
      axis.low = std::min(axis.low, in_units(scale, point.*coordinate));
      axis.high = std::max(axis.high, in_units(scale, point.*coordinate));
    }
  }
  if (scale == Scale::linear) axis.low = 0;
  if (axis.high - axis.low < 1e-9) axis.high = axis.low + 1;
  if (scale == Scale::linear) axis.high *= 1.05;
  return axis;
}

std::string grid(const Axis& x, const Axis& y) {
  std::string out;
  for (const Mark& mark : x.marks()) {
    const double at = x.pixel_of_units(mark.at);
    out += fmt::format(
        "<line x1='{0:.1f}' x2='{0:.1f}' y1='{1}' y2='{2}' stroke='#e4e4e0'/>"
        "<text x='{0:.1f}' y='{3}' text-anchor='middle'>{4}</text>\n",
        at, top, height - bottom, height - bottom + 14, mark.text);
  }
  for (const Mark& mark : y.marks()) {
    const double at = y.pixel_of_units(mark.at);
    out += fmt::format(
        "<line x1='{1}' x2='{2}' y1='{0:.1f}' y2='{0:.1f}' stroke='#e4e4e0'/>"
        "<text x='{3}' y='{4:.1f}' text-anchor='end'>{5}</text>\n",
        at, left, width - right, left - 5, at + 4, mark.text);
  }
  return out;
}

std::string drawn(const std::vector<Point>& points, const Axis& x, const Axis& y,
                  const char* colour, bool dots) {
  std::string path, circles;
  for (const Point& point : points) {
    const double px = x.pixel(point.x), py = y.pixel(point.y);
    path += fmt::format("{:.1f},{:.1f} ", px, py);
    if (dots)
      circles += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3' fill='{}'/>", px, py, colour);
  }
  return fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='2'/>{}\n", path,
                     colour, circles);
}

}  // namespace

std::vector<Point>& Plot::line(const std::string& name) {
  for (auto& [known, points] : lines)
    if (known == name) return points;
  return lines.emplace_back(name, std::vector<Point>{}).second;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out.push_back(c);
  }
  return out;
}

std::string to_svg(const Plot& plot) {
  if (plot.lines.empty()) return {};
  const Axis x = fitted(plot.x_scale, plot, &Point::x, left, width - right);
  const Axis y = fitted(plot.y_scale, plot, &Point::y, height - bottom, top);
  std::string out =
      fmt::format("<figure><figcaption>{}</figcaption><svg width='{}' height='{}' role='img'>\n{}",
                  escaped(plot.title), width, height, grid(x, y));
  double legend_x = left;
  for (std::size_t i = 0; i < plot.lines.size(); ++i) {
    const auto& [name, points] = plot.lines[i];
    const char* colour = colours[i % colours.size()];
    out += drawn(points, x, y, colour, plot.x_scale != Scale::tail);
    out += fmt::format(
        "<rect x='{:.0f}' y='{}' width='10' height='10' fill='{}'/>"
        "<text x='{:.0f}' y='{}'>{}</text>\n",
        legend_x, height - 14, colour, legend_x + 14, height - 5, escaped(name));
    constexpr double letter = 6.5;
    legend_x += 32 + letter * static_cast<double>(name.size());
  }
  out += fmt::format("<text x='{}' y='{}' text-anchor='end'>{}</text></svg></figure>\n",
                     width - right, height - 5, escaped(plot.x_name));
  return out;
}

}  // namespace pgweir::bench
