// From the command line to a running process.
#include <malloc.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "config/environment.h"
#include "config/loader.h"
#include "proxy/core/version.h"
#include "proxy/net/process.h"
#include "proxy/net/service_manager.h"
#include "proxy/options.h"
#include "proxy/runtime.h"
#include "proxy/tls_setup.h"

namespace pgweir {
namespace {

std::string os_user() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry ? entry->pw_name : "postgres";
}

Variables variables() {
  Variables all;
  for (char** each = environ; *each; ++each) {
    const std::string_view text = *each;
    const auto at = text.find('=');
    if (at != std::string_view::npos) all.emplace(text.substr(0, at), text.substr(at + 1));
  }
  return all;
}

// A file that is there is never replaced by variables.
bool counts_environment(const Options& options) {
  return options.environment && (options.source.empty() || ::access(options.source.c_str(), F_OK) != 0);
}

Loaded read(const Options& options) {
  if (counts_environment(options)) return from_environment(variables());
  return looks_like_url(options.source) ? from_url(options.source, os_user()) : load(options.source);
}

int check(const Options& options) {
  Loaded loaded = read(options);
  check_tls(loaded);
  for (const std::string& line : check_report(loaded)) std::puts(line.c_str());
  return loaded.config ? 0 : 1;
}

int die(const std::string& text) {
  log::line(log::Level::fatal, "{}", text);
  return 1;
}

// What has to happen before any thread is started. Returns an error text or nothing.
std::string prepare_process(const Options& options, const Config& config, PidFile& pid_file) {
  const Globals& g = config.globals;
  const std::string user = options.user.empty() ? g.user.value_or("") : options.user;
  if (!user.empty()) {
    if (std::string error = switch_user(user); !error.empty()) return error;
  }
  if (std::string error = refuse_root(); !error.empty()) return error;
  std::vector<std::string> notes;
  if (options.daemon && g.pidfile.empty()) return "daemon needs pidfile configured";
  if (!g.pidfile.empty()) {
    if (std::string error = PidFile::check(g.pidfile, notes); !error.empty()) return error;
  }
  if (options.daemon) {
    if (std::string error = daemonize(); !error.empty()) return error;
  }
  if (!g.pidfile.empty()) {
    if (std::string error = pid_file.write(g.pidfile, notes); !error.empty()) return error;
  }
  for (const std::string& note : notes) log::line(log::Level::log, "{}", note);
  return {};
}

int serve(const Options& options) {
  log::Targets first_words;
  first_words.stderr_is_journal = service_manager::stderr_is_journal();
  log::open(first_words);
  Loaded loaded = read(options);
  for (const Mistake& m : loaded.mistakes) {
    log::line(m.warning ? log::Level::warning : log::Level::error, "{} ({})", m.text, place_of(m));
  }
  if (!loaded.config) return die("cannot load config file");
  if (options.reboot) log::line(log::Level::warning, "-R is not served yet, starting normally");
  const int sockets_given = service_manager::sockets_given();
  PidFile pid_file;
  if (std::string error = prepare_process(options, *loaded.config, pid_file); !error.empty()) return die(error);
  Runtime runtime(loaded.config, counts_environment(options) ? [] { return from_environment(variables()); } : Runtime::Read{},
                  options.quiet || options.daemon, options.verbose);
  if (std::string error = runtime.listen(sockets_given); !error.empty()) return die(error);
  runtime.run();
  return 0;
}

}  // namespace

std::string version_text() {
  return std::string("pgweir " PGWEIR_VERSION " (speaks PgBouncer " PGWEIR_PARITY ")\nevent loop: epoll\ntls: ") +
         OpenSSL_version(OPENSSL_VERSION) + "\nsystemd: " + service_manager::built_in() + "\n";
}

}  // namespace pgweir

int main(int argc, char** argv) {
  using pgweir::Options;
  // Large buffers go back to the system when they are freed; by default the first one makes all later ones stay.
  ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  std::signal(SIGPIPE, SIG_IGN);   // a reader of our log that goes away must not take us with it
  const Options options = pgweir::read_options(argc, argv);
  switch (options.action) {
    case Options::Action::version:
      std::fputs(pgweir::version_text().c_str(), stdout);
      return 0;
    case Options::Action::help:
      std::fputs(pgweir::usage("pgweir").c_str(), stdout);
      return 0;
    case Options::Action::bad:
      std::fprintf(stderr, "pgweir: %s\nTry \"pgweir --help\" for more information.\n", options.error.c_str());
      return 1;
    case Options::Action::check:
      return pgweir::check(options);
    case Options::Action::run:
      return pgweir::serve(options);
  }
}
