#include "bench/script.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace pgweir::bench {
namespace {

constexpr std::size_t parameter_bytes_max = 256 << 20;

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

// `c*N` is N times the character c; anything else stands for itself.
std::string parse_parameter(std::string_view word) {
  if (word.size() < 3 || word[1] != '*') return std::string(word);
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(word.data() + 2, word.data() + word.size(), count);
  if (error != std::errc{} || end != word.data() + word.size()) return std::string(word);
  if (count > parameter_bytes_max) throw std::runtime_error("a parameter of more than 256 MiB");
  return std::string(count, word[0]);
}

Line parse_line(std::string_view text) {
  Line line;
  if (text.starts_with("think ")) {
    line.think = parse_think(trimmed(text.substr(6)));
    return line;
  }
  if (const auto arrow = text.find(" <- "); arrow != std::string_view::npos) {
    std::istringstream words{std::string(text.substr(arrow + 4))};
    for (std::string word; words >> word;) line.parameters.push_back(parse_parameter(word));
    text = trimmed(text.substr(0, arrow));
  }
  line.sql = text;
  return line;
}

Line statement(std::string sql) {
  return {std::move(sql), {}, {}};
}
Line pause(Think think) {
  return {{}, {}, think};
}

void add_pause(Script& script, const Think& think) {
  if (think.mean() > Duration{}) script.lines.push_back(pause(think));
}

}  // namespace

Duration parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  const double factor = unit == "ns"   ? 1
                        : unit == "us" ? 1e3
                        : unit == "ms" ? 1e6
                        : unit == "s"  ? 1e9
                        : unit == "m"  ? 60e9
                                       : 0;
  if (error != std::errc{} || factor == 0 || number < 0 || number * factor > 1e15)
    throw std::runtime_error(fmt::format("'{}' is no duration like 5ms or 1.5s", text));
  return Duration(static_cast<std::int64_t>(number * factor));
}

Think parse_think(std::string_view text) {
  if (text.starts_with('~')) {
    const Duration mean = parse_duration(text.substr(1));
    return {mean, mean, true};
  }
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) {
    const Duration constant = parse_duration(text);
    return {constant, constant, false};
  }
  const Think think{parse_duration(text.substr(0, dots)), parse_duration(text.substr(dots + 2))};
  if (think.to < think.from)
    throw std::runtime_error(fmt::format("'{}' ends before it begins", text));
  return think;
}

Script parse_script(std::string_view text) {
  Script script;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string raw; std::getline(lines, raw);) {
    ++number;
    const std::string_view line = trimmed(raw);
    if (line.empty() || line.starts_with('#')) continue;
    try {
      script.lines.push_back(parse_line(line));
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(fmt::format("line {}: {}", number, error.what()));
    }
  }
  return script;
}

Script read_script(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(fmt::format("cannot read the script '{}'", path));
  std::ostringstream text;
  text << file.rdbuf();
  try {
    return parse_script(text.str());
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("{}: {}", path, error.what()));
  }
}

Script built_in(std::string_view name, Protocol protocol, const WorkloadOptions& options) {
  Script script;
  if (name == "select1" || name == "churn") {
    script.lines = {statement("select 1")};
    script.reconnect = name == "churn";
    add_pause(script, options.think);
  } else if (name == "transaction") {
    script.lines = {statement("BEGIN"), statement("select 1")};
    add_pause(script, options.think);
    script.lines.push_back(statement("COMMIT"));
  } else if (name == "result") {
    script.lines = {statement(fmt::format("select repeat('x', {})", options.result_bytes))};
    add_pause(script, options.think);
  } else if (name == "parameter") {
    std::string value(options.parameter_bytes, 'x');
    if (protocol == Protocol::simple) {
      script.lines = {statement(fmt::format("select length('{}')", value))};
    } else {
      script.lines = {{"select length($1)", {std::move(value)}, {}}};
    }
    add_pause(script, options.think);
  } else if (name == "idle") {
    script.silent = true;
  } else {
    throw std::runtime_error(
        fmt::format("unknown workload '{}'; there are {}", name, built_in_names));
  }
  return script;
}

}  // namespace pgweir::bench
