#include "proxy/core/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <mutex>

#include "proxy/core/utf8.h"

namespace pgweir::log {
namespace {

struct LevelRow {
  const char* name;
  spdlog::level::level_enum weight;
  int priority;  // of syslog
};

// In the order of Level.
constexpr LevelRow level_rows[] = {
    {"FATAL", spdlog::level::critical, LOG_CRIT},  {"ERROR", spdlog::level::err, LOG_ERR},
    {"WARNING", spdlog::level::warn, LOG_WARNING}, {"LOG", spdlog::level::info, LOG_INFO},
    {"DEBUG", spdlog::level::debug, LOG_DEBUG},    {"NOISE", spdlog::level::trace, LOG_DEBUG},
};

const LevelRow& row_of(Level level) {
  return level_rows[static_cast<std::size_t>(level)];
}

const LevelRow& row_of(spdlog::level::level_enum weight) {
  for (const LevelRow& row : level_rows) {
    if (row.weight == weight) return row;
  }
  return row_of(Level::log);
}

void append(spdlog::memory_buf_t& to, std::string_view text) {
  to.append(text.data(), text.data() + text.size());
}

// %* : the name of the time zone in force at that moment, as in "UTC" or "CEST".
class ZoneFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm& time,
              spdlog::memory_buf_t& to) override {
    append(to, time.tm_zone ? time.tm_zone : "");
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return spdlog::details::make_unique<ZoneFlag>();
  }
};

// What the line under way has beside its text; sinks format on the thread that logs.
thread_local std::string_view members_under_way;
thread_local bool session_under_way = false;

// %! : PgBouncer's name of the level.
class LevelFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& to) override {
    // PostgreSQL names the level behind the session.
    if (session_under_way) return to.push_back(':');
    to.push_back(' ');
    append(to, row_of(message.level).name);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return spdlog::details::make_unique<LevelFlag>();
  }
};

// `{"time":"2026-11-20T21:24:20.746Z","pid":123,"level":"LOG","message":"..."}`
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    const auto since = message.time.time_since_epoch();
    const auto whole = std::chrono::floor<std::chrono::seconds>(since);
    const std::time_t seconds = whole.count();
    std::tm time{};
    ::gmtime_r(&seconds, &time);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since - whole).count();
    fmt::format_to(std::back_inserter(to),
                   R"({{"time":"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z","pid":{},"level":"{}","message":{}{}}})",
                   time.tm_year + 1900, time.tm_mon + 1, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec, ms,
                   ::getpid(), row_of(message.level).name,
                   json_string({message.payload.data(), message.payload.size()}), members_under_way);
    to.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

// `<6>text`: how the journal is told the priority of a line. Source: sd-daemon(3).
class JournalFormatter final : public spdlog::formatter {
 public:
  explicit JournalFormatter(Format format) : format_(format) {}
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    fmt::format_to(std::back_inserter(to), "<{}>", row_of(message.level).priority);
    if (format_ == Format::json) return json_.format(message, to);
    append(to, {message.payload.data(), message.payload.size()});
    to.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JournalFormatter>(format_); }

 private:
  const Format format_;
  JsonFormatter json_;
};

std::unique_ptr<spdlog::formatter> line_formatter(Format format) {
  if (format == Format::json) return std::make_unique<JsonFormatter>();
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<ZoneFlag>('*').add_flag<LevelFlag>('!');
  formatter->set_pattern("%Y-%m-%d %H:%M:%S.%e %* [%P]%! %v");
  return formatter;
}

// spdlog's own syslog sink closes the connection when it dies, which on reload is after its
// successor opened it.
class SyslogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  SyslogSink(const std::string& ident, int facility) {
    // openlog keeps the pointer; an ident of an earlier call may still be in use by another thread.
    static std::mutex mutex;
    static std::vector<std::unique_ptr<std::string>> idents;
    const std::lock_guard lock(mutex);
    if (idents.empty() || *idents.back() != ident) {
      idents.push_back(std::make_unique<std::string>(ident));
    }
    openlog(idents.back()->c_str(), LOG_PID, facility);
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    syslog(row_of(message.level).priority, "%.*s", static_cast<int>(message.payload.size()),
           message.payload.data());
  }
  void flush_() override {}
};

int facility_of(const std::string& name) {
  constexpr std::pair<const char*, int> facilities[] = {
      {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON},
      {"user", LOG_USER},     {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
      {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},     {"local4", LOG_LOCAL4},
      {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7}};
  for (const auto& [known, value] : facilities) {
    if (name == known) return value;
  }
  return LOG_DAEMON;
}

std::shared_ptr<spdlog::logger> make_logger(const Targets& targets) {
  std::vector<spdlog::sink_ptr> sinks;
  if (!targets.file.empty()) {
    sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(targets.file));
  }
  std::shared_ptr<spdlog::sinks::sink> to_stderr;
  if (targets.to_stderr) sinks.push_back(to_stderr = std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (targets.to_syslog) {
    sinks.push_back(
        std::make_shared<SyslogSink>(targets.syslog_ident, facility_of(targets.syslog_facility)));
  }
  auto logger = std::make_shared<spdlog::logger>("pgweir", sinks.begin(), sinks.end());
  logger->set_formatter(line_formatter(targets.format));
  if (to_stderr && targets.stderr_is_journal) to_stderr->set_formatter(std::make_unique<JournalFormatter>(targets.format));
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);  // a line that is only in our memory helps nobody
  return logger;
}

std::mutex logger_mutex;
std::shared_ptr<spdlog::logger> logger_in_force;
std::atomic<int> verbosity{0};
std::atomic<Format> format_in_force{Format::text};
std::atomic<Sink> extra_sink{nullptr};

// Before the first open() lines go to stderr.
std::shared_ptr<spdlog::logger> current_logger() {
  const std::lock_guard lock(logger_mutex);
  if (!logger_in_force) logger_in_force = make_logger({});
  return logger_in_force;
}

std::string with_tabs(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += '\t';
  }
  return out;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(text.substr(i));
    if (c == '"' || c == '\\') out += '\\', out += text[i];
    else if (c == '\n') out += "\\n";
    else if (c < 0x20) out += fmt::format("\\u{:04x}", c);
    else if (length == 0) out += "\\ufffd";
    else out += text.substr(i, length);
    i += std::max<std::size_t>(1, length);
  }
  return out + '"';
}

std::string open(const Targets& targets) {
  try {
    auto logger = make_logger(targets);
    const std::lock_guard lock(logger_mutex);
    logger_in_force.swap(logger);
    format_in_force = targets.format;
    return {};
  } catch (const spdlog::spdlog_ex& error) {
    return error.what();
  }
}

void set_verbosity(int verbose) {
  verbosity.store(verbose, std::memory_order_relaxed);
}

bool enabled(Level level) {
  if (level <= Level::log) return true;
  const int needed = level == Level::debug ? 1 : 2;
  return verbosity.load(std::memory_order_relaxed) >= needed;
}

void write(Level level, std::string_view text, std::string_view members, std::string_view session) {
  if (!enabled(level)) return;
  const Format format = format_in_force.load(std::memory_order_relaxed);
  if (format == Format::json) {
    members_under_way = members;
    write(level, text);
    members_under_way = {};
  } else if (format == Format::postgres) {
    session_under_way = true;
    write(level, fmt::format("{} {}:  {}", session.empty() ? "user=,db=,app=,client=" : session, row_of(level).name, text));
    session_under_way = false;
  } else {
    write(level, text);
  }
}

void detail(std::string_view text, std::string_view session) {
  if (format_in_force.load(std::memory_order_relaxed) != Format::postgres) return;
  session_under_way = true;
  write(Level::log, fmt::format("{} DETAIL:  {}", session, text));
  session_under_way = false;
}

void write(Level level, std::string_view text) {
  if (!enabled(level)) return;
  // Readers take a line that is not PostgreSQL's for the rest of the statement before it.
  if (!session_under_way && format_in_force.load(std::memory_order_relaxed) == Format::postgres) {
    return write(level, text, {}, {});
  }
  if (const Sink sink = extra_sink.load()) sink(level, text);
  const auto weight = row_of(level).weight;
  if (text.find('\n') == std::string_view::npos || format_in_force.load(std::memory_order_relaxed) == Format::json) {
    current_logger()->log(weight, spdlog::string_view_t(text.data(), text.size()));
  } else {
    current_logger()->log(weight, spdlog::string_view_t(with_tabs(text)));
  }
}

void set_sink(Sink sink) {
  extra_sink.store(sink);
}

}  // namespace pgweir::log
