// The log: PgBouncer's line format and levels on top of spdlog. Any thread may log.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <string>
#include <string_view>

namespace pgweir::log {

// PgBouncer's levels. `log` is the ordinary one; `debug` needs verbose >= 1, `noise` verbose >= 2.
enum class Level : unsigned char { fatal, error, warning, log, debug, noise };

// Where lines go. Several may be on at once, as in PgBouncer: the file and stderr are independent.
enum class Format : unsigned char { text, json, postgres };

struct Targets {
  std::string file;              // empty: no file
  bool to_stderr = true;         // off with -q and -d
  bool stderr_is_journal = false;  // its lines begin with their priority, and the journal knows the time
  bool to_syslog = false;
  std::string syslog_ident = "pgweir";
  std::string syslog_facility = "daemon";
  Format format = Format::text;  // of the file and stderr
};

// Opens the targets; called at start and again on reload (reopens the file, so that logrotate works).
// Returns an error text when the file cannot be opened; the previous targets stay in force then.
std::string open(const Targets& targets);
void set_verbosity(int verbose);
bool enabled(Level level);

// The same with what other formats want: `members` of the JSON object (`,"user":"me"`), and what PostgreSQL's
// log_line_prefix would say of a session (`user=me,db=shop,app=,client=`), for log_format=postgres.
void write(Level level, std::string_view text, std::string_view members, std::string_view session);
// What belongs to the line before it: for log_format=postgres a DETAIL of that session, else nothing.
void detail(std::string_view text, std::string_view session);
// A JSON string, quotes included; bytes that are not UTF-8 are replaced.
std::string json_string(std::string_view text);

// Writes one line `2026-11-20 21:24:20.746 UTC [PID] LEVEL text`; newlines inside become newline+tab.
void write(Level level, std::string_view text);

// Test seam: every line goes to `sink` as well (nullptr: back to normal). Not thread-safe.
using Sink = void (*)(Level, std::string_view);
void set_sink(Sink sink);

template <typename... Args>
void line(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (!enabled(level)) return;
  fmt::memory_buffer buffer;
  fmt::format_to(std::back_inserter(buffer), format, std::forward<Args>(args)...);
  write(level, {buffer.data(), buffer.size()});
}

}  // namespace pgweir::log
