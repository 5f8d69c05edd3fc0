// Prometheus's text format 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/observe/ladder.h"

namespace pgweir {

using Label = std::pair<std::string_view, std::string_view>;

// One family after the other: family(), then its samples.
class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help);
  // A span of labels; `suffix` is for the parts of histograms.
  template <typename Labels>
  void sample(const Labels& labels, double value, std::string_view suffix = {}) {
    begin(suffix);
    for (const auto& [key, text] : labels) label(key, text);
    end(value);
  }
  void sample(std::initializer_list<Label> labels, double value) { sample<std::initializer_list<Label>>(labels, value); }
  // Buckets, sum and count, in seconds.
  void histogram(std::initializer_list<Label> labels, const Ladder& ladder);

  const std::string& text() const { return text_; }

 private:
  void begin(std::string_view suffix);
  void label(std::string_view name, std::string_view value);
  void end(double value);

  std::string text_, name_;
  bool labelled_ = false;
};

}  // namespace pgweir
