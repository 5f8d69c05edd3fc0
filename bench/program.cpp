#include "bench/program.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <optional>
#include <stdexcept>

#include "protocol/compose.h"

namespace pgweir::bench {
namespace {

using Values = std::vector<std::optional<std::string_view>>;

Values values_of(const Line& line) {
  return {line.parameters.begin(), line.parameters.end()};
}

void say_extended(Buffer& out, std::string_view statement, const Line& line) {
  compose::bind(out, "", statement, values_of(line));
  compose::describe(out, 'P', "");
  compose::execute(out, "");
  compose::sync(out);
}

// Gives each different statement of a script one name.
class Names {
 public:
  explicit Names(Program& program) : program_(program) {}

  const std::string& of(const std::string& sql) {
    const auto [at, fresh] = names_.try_emplace(sql, fmt::format("bench_{}", names_.size() + 1));
    if (fresh) {
      compose::parse(program_.setup, at->second, sql);
      compose::sync(program_.setup);
      ++program_.setup_readies;
    }
    return at->second;
  }

 private:
  Program& program_;
  std::map<std::string, std::string> names_;
};

void say(Buffer& out, const Line& line, Protocol protocol, Names& names) {
  switch (protocol) {
    case Protocol::simple:
      if (!line.parameters.empty())
        throw std::runtime_error("parameters need --protocol extended or prepared");
      compose::query(out, line.sql);
      return;
    case Protocol::extended:
      compose::parse(out, "", line.sql);
      say_extended(out, "", line);
      return;
    case Protocol::prepared:
      say_extended(out, names.of(line.sql), line);
      return;
  }
}

}  // namespace

std::string_view name_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::simple:
      return "simple";
    case Protocol::extended:
      return "extended";
    case Protocol::prepared:
      return "prepared";
  }
  return "";
}

Duration Think::draw(std::minstd_rand& random) const {
  if (exponential) {
    std::exponential_distribution<double> pause(1.0);
    return Duration(static_cast<std::int64_t>(pause(random) * static_cast<double>(from.count())));
  }
  if (from == to) return from;
  std::uniform_int_distribution<std::int64_t> pause(from.count(), to.count());
  return Duration(pause(random));
}

Duration Program::think_mean() const {
  Duration sum{};
  for (const Step& step : steps) sum += step.bytes.empty() ? step.think.mean() : Duration{};
  return sum;
}

Program compile(const Script& script, Protocol protocol, bool merged) {
  Program program;
  program.reconnect = script.reconnect;
  program.silent = script.silent;
  Names names(program);
  for (const Line& line : script.lines) {
    if (line.sql.empty()) {
      if (merged) throw std::runtime_error("a pipeline cannot think between its statements");
      program.steps.push_back({{}, 0, line.think});
      continue;
    }
    if (program.steps.empty() || !merged) program.steps.emplace_back();
    say(program.steps.back().bytes, line, protocol, names);
    ++program.steps.back().readies;
  }
  if (!program.silent) {
    bool says_something = false;
    for (const Step& step : program.steps) says_something |= step.readies > 0;
    if (!says_something) throw std::runtime_error("the script has no statement");
  }
  return program;
}

}  // namespace pgweir::bench
