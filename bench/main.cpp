// pgweir-bench: the load generator, the null server and the plain relay in one program.
#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/options.h"
#include "bench/report.h"
#include "bench/rounds.h"
#include "bench/server_loop.h"
#include "bench/stop.h"

namespace pgweir::bench {
namespace {

constexpr int flawed = 1;
constexpr int wrong_call = 2;
constexpr std::size_t many_files = 100'000;

constexpr const char* help =
    R"(pgweir-bench run ...           measures poolers and servers (run --help)
pgweir-bench null-server (--port PORT | --unix PATH) [--threads N]
                               answers everything at once, trusts everybody; loopback only
pgweir-bench relay (--listen HOST:PORT | --listen /PATH) (--to HOST:PORT | --to /PATH)
                   [--buffer BYTES]
                               copies bytes without looking: the floor for any proxy
)";

using Arguments = std::vector<std::string>;

// Reads `--name value` pairs of the names given.
std::map<std::string, std::string> named_values(const Arguments& arguments,
                                                const std::vector<std::string>& names) {
  std::map<std::string, std::string> values;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    bool known = false;
    for (const std::string& name : names) known |= arguments[i] == name;
    if (!known) throw std::runtime_error(fmt::format("unknown option '{}'", arguments[i]));
    if (i + 1 >= arguments.size())
      throw std::runtime_error(fmt::format("{} needs a value", arguments[i]));
    values[arguments[i]] = arguments[i + 1];
  }
  return values;
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) throw std::runtime_error(fmt::format("cannot write '{}'", path));
}

int run(const Arguments& arguments) {
  if (!arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h")) {
    std::fputs(run_help, stdout);
    return 0;
  }
  const RunOptions options = parse_run_options(arguments);
  const Report report = run_rounds(options);
  std::fputs(to_table(report).c_str(), stdout);
  if (!options.json.empty()) write_file(options.json, to_json(report));
  if (!options.html.empty()) write_file(options.html, to_html(report));
  return report.flawless() ? 0 : flawed;
}

int null_server(const Arguments& arguments) {
  const auto values = named_values(arguments, {"--port", "--unix", "--threads"});
  const bool by_port = values.contains("--port");
  if (by_port == values.contains("--unix"))
    throw std::runtime_error("either --port or --unix is needed");
  const unsigned threads =
      values.contains("--threads") ? parse_count("--threads", values.at("--threads"), 1, 256) : 1;
  raise_file_limit(many_files);
  run_null_server(
      by_port ? tcp_address("127.0.0.1", values.at("--port")) : unix_address(values.at("--unix")),
      threads);
  return 0;
}

int relay(const Arguments& arguments) {
  const auto values = named_values(arguments, {"--listen", "--to", "--buffer"});
  if (!values.contains("--listen") || !values.contains("--to"))
    throw std::runtime_error("--listen and --to are needed");
  constexpr unsigned least = 512, most = 16u << 20, usual = 32u << 10;
  const unsigned buffer = values.contains("--buffer")
                              ? parse_count("--buffer", values.at("--buffer"), least, most)
                              : usual;
  raise_file_limit(many_files);
  run_relay(parse_address(values.at("--listen")), parse_address(values.at("--to")), buffer);
  return 0;
}

int dispatch(const std::string& command, const Arguments& arguments) {
  if (command == "run") return run(arguments);
  if (command == "null-server") return null_server(arguments);
  if (command == "relay") return relay(arguments);
  std::fputs(help, command == "--help" || command == "-h" ? stdout : stderr);
  return command == "--help" || command == "-h" ? 0 : wrong_call;
}

}  // namespace
}  // namespace pgweir::bench

int main(int count, char** words) {
  pgweir::bench::catch_stop_signals();
  const std::vector<std::string> arguments(words + (count > 2 ? 2 : count), words + count);
  try {
    return pgweir::bench::dispatch(count > 1 ? words[1] : "", arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pgweir-bench: {}\n", error.what());
    return pgweir::bench::wrong_call;
  }
}
