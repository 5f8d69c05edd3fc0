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
#include "proxy/net/address.h"
#include "proxy/net/loop_choice.h"
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
  check_sleeping_rules(loaded);
  check_tls(loaded);
  for (const std::string& line : check_report(loaded)) std::puts(line.c_str());
  return loaded.config ? 0 : 1;
}

int die(const std::string& text) {
  log::line(log::Level::fatal, "{}", text);
  return 1;
}

// What has to happen before any thread is started. Each returns an error text or nothing.
std::string become_user(const Options& options, const Config& config) {
  const std::string user = options.user.empty() ? config.globals.user.value_or("") : options.user;
  if (!user.empty()) {
    if (std::string error = switch_user(user); !error.empty()) return error;
  }
  return refuse_root();
}

// `taken_over`: the pid file is another process's yet.
std::string go_to_background(const Options& options, const Globals& g, bool taken_over) {
  std::vector<std::string> notes;
  if (options.daemon && g.pidfile.empty()) return "daemon needs pidfile configured";
  if (!g.pidfile.empty() && !taken_over) {
    if (std::string error = PidFile::check(g.pidfile, notes); !error.empty()) return error;
  }
  for (const std::string& note : notes) log::line(log::Level::log, "{}", note);
  return options.daemon ? daemonize() : std::string{};
}

std::string write_pid(const Globals& g, PidFile& pid_file) {
  if (g.pidfile.empty()) return {};
  std::vector<std::string> notes;
  std::string error = pid_file.write(g.pidfile, notes);
  for (const std::string& note : notes) log::line(log::Level::log, "{}", note);
  return error;
}

// -R: the process that runs hands over to us; null when there is none.
std::unique_ptr<TakeoverReceiver> find_old(const Config& config, bool managed, std::string& error) {
  if (managed) {
    error = "-R is not for processes of a service manager, which would lose sight of us";
    return nullptr;
  }
  if (config.unix_socket_dirs.empty()) {
    error = "-R needs the old process's unix_socket_dir";
    return nullptr;
  }
  const std::string path = unix_socket_path(config.unix_socket_dirs.front(), static_cast<std::uint16_t>(config.globals.listen_port));
  auto old = TakeoverReceiver::begin(path, error);
  if (!error.empty()) error = "cannot take over (-R): " + error;
  else if (!old) log::line(log::Level::log, "nobody to take over from on unix:{}, starting normally", path);
  return old;
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
  const int sockets_given = service_manager::sockets_given();
  const Config& config = *loaded.config;
  if (std::string error = become_user(options, config); !error.empty()) return die(error);
  std::unique_ptr<TakeoverReceiver> old;
  if (options.reboot) {
    std::string error;
    old = find_old(config, service_manager::listens() || sockets_given > 0, error);
    if (!error.empty()) return die(error);
  }
  PidFile pid_file;
  if (std::string error = go_to_background(options, config.globals, old != nullptr); !error.empty()) return die(error);
  if (std::string error = old ? std::string{} : write_pid(config.globals, pid_file); !error.empty()) return die(error);
  Runtime runtime(loaded.config, counts_environment(options) ? [] { return from_environment(variables()); } : Runtime::Read{},
                  options.quiet || options.daemon, options.verbose);
  runtime.when_taken_over([&pid_file] { pid_file.release(); });
  if (std::string error = runtime.listen(sockets_given, old.get()); !error.empty()) return die(error);
  if (old) {
    if (std::string error = runtime.take_over(std::move(old)); !error.empty()) return die("cannot take over (-R): " + error);
    if (std::string error = write_pid(config.globals, pid_file); !error.empty()) log::line(log::Level::error, "{}", error);
  }
  runtime.run();
  return 0;
}

}  // namespace

std::string version_text() {
  std::string no_uring;
  std::string loop = name_of(choose_loop("auto", no_uring));
  if (!no_uring.empty()) loop += " (io_uring does not work here: " + no_uring + ")";
  return std::string("pgweir " PGWEIR_VERSION " (speaks PgBouncer " PGWEIR_PARITY ")\nevent loop: ") + loop + "\ntls: " +
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
