#include "bench/options.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <functional>
#include <map>
#include <stdexcept>
#include <thread>

namespace pgweir::bench {

const char* const run_help = R"(pgweir-bench run [options] --target NAME=URL[,pid=PID]... ...

Measures one target or several, interleaved A B C A B C, and prints medians with min and max.

  --target NAME=URL      postgres://user:password@host:port/database; ?host=/dir for a Unix socket.
                         Logs in by trust, password, md5, SCRAM-SHA-256 or a certificate. TLS with
                         ?sslmode=require (nothing is verified), &sslnegotiation=direct,
                         &sslcert=FILE&sslkey=FILE; else plain text.
                         CPU and memory are those of pid=PID,... and their children; without it
                         those of whoever listens there.
What clients say
  --workload NAME        select1 (default); transaction: BEGIN, select 1, COMMIT, with --think
                         inside; result: one of --result-bytes; parameter: one of
                         --parameter-bytes; churn: connect, select 1, close; idle: log in, be silent
  --script FILE          statements of your own instead, see bench/README.md
  --protocol LIST        simple (default), extended, prepared
  --pipeline N           N transactions of each client under way at once (default 1)
  --result-bytes N       (1000000)      --parameter-bytes N    (1000000)
  --think TIME           5ms, 5ms..20ms (uniform) or ~5ms (exponential)
How many, how long
  --clients LIST         one number or several for a curve: 1,16,64 (default 16)
  --idle N               N more clients that are logged in and silent
  --pools N              clients take turns at databases NAME_0 ... NAME_(N-1) instead of NAME
  --rate R               open loop: R transactions a second start whatever happens, and latency
                         counts from the intended start. Default: closed loop
  --arrivals KIND        even (default) or poisson; with --rate
  --threads N            of the generator (default: 1; more for more than 100,000 a second)
  --rounds N             (3)            --duration TIME        of each measurement (5s)
  --warmup TIME          (500ms)        --drain TIME           for the last transactions (2s)
  --login-time TIME      until all clients are logged in (15s, and 2 ms for each client)
What comes out
  --json FILE  --html FILE  --title TEXT  --quiet

Exit status: 0; 1 if something could not be measured or transactions failed; 2 for a wrong call.
)";

namespace {

using Values = std::map<std::string, std::function<void(const std::string&)>, std::less<>>;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    parts.emplace_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

std::vector<Protocol> parse_protocols(std::string_view list) {
  std::vector<Protocol> protocols;
  for (const std::string& name : split(list)) {
    bool known = false;
    for (const Protocol protocol : {Protocol::simple, Protocol::extended, Protocol::prepared}) {
      if (name != name_of(protocol)) continue;
      protocols.push_back(protocol);
      known = true;
    }
    if (!known) throw std::runtime_error(fmt::format("--protocol: unknown protocol '{}'", name));
  }
  return protocols;
}

double parse_rate(std::string_view text) {
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error != std::errc{} || end != text.data() + text.size() || rate <= 0 || rate > 1e8)
    throw std::runtime_error("--rate: a number of transactions a second above 0");
  return rate;
}

bool parse_arrivals(std::string_view text) {
  if (text != "even" && text != "poisson") throw std::runtime_error("--arrivals: even or poisson");
  return text == "poisson";
}

Values readers_into(RunOptions& o) {
  constexpr unsigned bytes_max = 256u << 20;
  constexpr unsigned clients_max = 1'000'000;
  using Text = const std::string&;
  return {
      {"--target", [&o](Text v) { o.targets.push_back(parse_target(v)); }},
      {"--workload", [&o](Text v) { o.workload = v; }},
      {"--script", [&o](Text v) { o.script = v; }},
      {"--protocol", [&o](Text v) { o.protocols = parse_protocols(v); }},
      {"--pipeline", [&o](Text v) { o.plan.pipeline = parse_count("--pipeline", v, 1, 10'000); }},
      {"--result-bytes",
       [&o](Text v) { o.sizes.result_bytes = parse_count("--result-bytes", v, 0, bytes_max); }},
      {"--parameter-bytes",
       [&o](Text v) {
         o.sizes.parameter_bytes = parse_count("--parameter-bytes", v, 0, bytes_max);
       }},
      {"--think", [&o](Text v) { o.sizes.think = parse_think(v); }},
      {"--clients",
       [&o](Text v) {
         o.clients.clear();
         for (const auto& part : split(v))
           o.clients.push_back(parse_count("--clients", part, 1, clients_max));
       }},
      {"--idle", [&o](Text v) { o.plan.idle = parse_count("--idle", v, 0, clients_max); }},
      {"--pools", [&o](Text v) { o.plan.pools = parse_count("--pools", v, 1, clients_max); }},
      {"--rate", [&o](Text v) { o.plan.rate = parse_rate(v); }},
      {"--arrivals", [&o](Text v) { o.plan.poisson = parse_arrivals(v); }},
      {"--threads", [&o](Text v) { o.plan.threads = parse_count("--threads", v, 1, 256); }},
      {"--rounds", [&o](Text v) { o.rounds = parse_count("--rounds", v, 1, 1000); }},
      {"--duration", [&o](Text v) { o.plan.duration = parse_duration(v); }},
      {"--warmup", [&o](Text v) { o.plan.warmup = parse_duration(v); }},
      {"--drain", [&o](Text v) { o.plan.drain = parse_duration(v); }},
      {"--login-time", [&o](Text v) { o.plan.login_time = parse_duration(v); }},
      {"--json", [&o](Text v) { o.json = v; }},
      {"--html", [&o](Text v) { o.html = v; }},
      {"--title", [&o](Text v) { o.title = v; }},
  };
}

void judge(const RunOptions& options) {
  if (options.targets.empty()) throw std::runtime_error("no --target");
  if (options.plan.duration < milliseconds(10)) throw std::runtime_error("--duration below 10ms");
  if (options.plan.pipeline > 1 && options.plan.rate > 0)
    throw std::runtime_error("--pipeline and --rate exclude each other");
  if (options.plan.pipeline > 1 && options.script.empty() && options.workload == "churn")
    throw std::runtime_error("churn has no pipeline");
}

}  // namespace

unsigned parse_count(const std::string& option, std::string_view text, unsigned least,
                     unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    throw std::runtime_error(fmt::format("{}: a number from {} to {}", option, least, most));
  return value;
}

RunOptions parse_run_options(const std::vector<std::string>& arguments) {
  RunOptions options;
  const Values readers = readers_into(options);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--quiet") {
      options.quiet = true;
      continue;
    }
    std::string name = arguments[i];
    std::string value;
    if (const auto equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else if (readers.contains(name)) {
      throw std::runtime_error(fmt::format("{} needs a value", name));
    }
    const auto reader = readers.find(name);
    if (reader == readers.end()) throw std::runtime_error(fmt::format("unknown option '{}'", name));
    reader->second(value);
  }
  judge(options);
  return options;
}

}  // namespace pgweir::bench
