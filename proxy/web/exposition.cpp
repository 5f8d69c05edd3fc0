#include "proxy/web/exposition.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <vector>

#include "proxy/core/utf8.h"

namespace pgweir {

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Exposition::begin(std::string_view suffix) {
  text_ += name_;
  text_ += suffix;
  labelled_ = false;
}

// Names and statements come from clients: backslash, quote and line end are escaped. One label that is not UTF-8 would
// cost Prometheus the whole page, so that such bytes become question marks, as control characters do.
void Exposition::label(std::string_view name, std::string_view value) {
  text_ += labelled_ ? ',' : '{';
  labelled_ = true;
  text_ += name;
  text_ += "=\"";
  while (!value.empty()) {
    const char c = value.front();
    const std::size_t length = utf8_length(value);
    if (c == '\\' || c == '"') text_ += '\\', text_ += c;
    else if (c == '\n') text_ += "\\n";
    else if (length == 0 || static_cast<unsigned char>(c) < 0x20) text_ += '?';
    else text_ += value.substr(0, length);
    value.remove_prefix(std::max<std::size_t>(1, length));
  }
  text_ += '"';
}

void Exposition::end(double value) {
  if (labelled_) text_ += '}';
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

void Exposition::histogram(std::initializer_list<Label> labels, const Ladder& ladder) {
  std::vector<std::pair<std::string_view, std::string>> all;
  for (const auto& [name, value] : labels) all.emplace_back(name, std::string(value));
  all.emplace_back("le", "");
  std::uint64_t below = 0;
  for (std::size_t i = 0; i <= Ladder::bounds_us.size(); ++i) {
    below += ladder.counts()[i];
    all.back().second = i < Ladder::bounds_us.size() ? fmt::format("{}", Ladder::bounds_us[i] / 1e6) : "+Inf";
    sample(all, static_cast<double>(below), "_bucket");
  }
  all.pop_back();
  sample(all, static_cast<double>(ladder.sum_us()) / 1e6, "_sum");
  sample(all, static_cast<double>(below), "_count");
}

}  // namespace pgweir
