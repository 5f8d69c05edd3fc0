// Line plots as inline SVG.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::bench {

enum class Scale : std::uint8_t {
  linear,  // from zero
  logarithmic,
  tail,  // x is the share that lies beyond, from 1 down: 50 %, 90 %, 99 %, ... at equal distances
};

struct Point {
  double x = 0, y = 0;
};

struct Plot {
  std::string title, x_name;
  Scale x_scale = Scale::linear;
  Scale y_scale = Scale::linear;
  std::vector<std::pair<std::string, std::vector<Point>>> lines;

  // The line of that name, added when it is new; lines have colours in the order they are added.
  std::vector<Point>& line(const std::string& name);
};

// A figure element; empty when there is nothing to draw.
std::string to_svg(const Plot& plot);
std::string escaped(std::string_view text);

}  // namespace pgweir::bench
