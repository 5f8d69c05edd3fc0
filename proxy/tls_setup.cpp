#include "proxy/tls_setup.h"

#include <sys/stat.h>

#include <spdlog/fmt/fmt.h>

#include "config/settings.h"

namespace pgweir {
namespace {

TlsVerify verify_of(SslMode mode) {
  if (mode == SslMode::verify_full) return TlsVerify::chain_and_name;
  return mode == SslMode::verify_ca ? TlsVerify::chain : TlsVerify::nothing;
}

TlsSettings client_side(const Globals& g) {
  return {.enabled = g.client_tls_sslmode != SslMode::disable,
          .verify = verify_of(g.client_tls_sslmode),
          .ca_file = g.client_tls_ca_file,
          .cert_file = g.client_tls_cert_file,
          .key_file = g.client_tls_key_file,
          .protocols = g.client_tls_protocols,
          .ciphers = g.client_tls_ciphers,
          .dheparams = g.client_tls_dheparams,
          .ecdhcurve = g.client_tls_ecdhcurve,
          .tls13_ciphers = g.client_tls13_ciphers};
}

TlsSettings server_side(const Globals& g) {
  return {.enabled = g.server_tls_sslmode != SslMode::disable,
          .verify = verify_of(g.server_tls_sslmode),
          .ca_file = g.server_tls_ca_file,
          .cert_file = g.server_tls_cert_file,
          .key_file = g.server_tls_key_file,
          .protocols = g.server_tls_protocols,
          .ciphers = g.server_tls_ciphers,
          .tls13_ciphers = g.server_tls13_ciphers};
}

using ContextPtr = std::shared_ptr<const TlsContext>;

// `prefix`: of the settings' names, `client_tls_`.
ContextPtr build_side(TlsRole role, const TlsSettings& settings, const std::string& prefix, TlsMistakes& mistakes) {
  if (!settings.enabled) return nullptr;
  TlsMistakes found;
  ContextPtr built = TlsContext::build(role, settings, found);
  for (TlsMistake& mistake : found) {
    const bool suites = mistake.setting == "tls13_ciphers";
    mistakes.push_back({prefix.substr(0, suites ? prefix.find('_') + 1 : prefix.size()) + mistake.setting, std::move(mistake.text)});
  }
  return built;
}

// A side's settings are those that begin with `client_tls` or `server_tls`.
void put_back(std::string_view prefix, const Globals& old, Globals& fresh) {
  for (const Setting& row : settings()) {
    if (!row.name.starts_with(prefix)) continue;
    std::visit([&](auto member) { fresh.*member = old.*member; }, row.member);
  }
}

bool same(const ContextPtr& left, const ContextPtr& right) {
  if (!left || !right) return left == right;
  return left->fingerprint() == right->fingerprint();
}

// At the line of its setting; a warning where `warning` says what comes of it.
void add(Loaded& loaded, const TlsMistake& mistake, const std::string& warning) {
  const auto place = loaded.places.find(mistake.setting);
  const bool known = place != loaded.places.end();
  loaded.mistakes.push_back({known ? place->second.first : loaded.draft->path, known ? place->second.second : 0,
                             mistake.setting + ": " + mistake.text + warning, !warning.empty()});
}

// What would be wrong with a side if it were switched on. Of what it would need besides, nothing is said.
void look_at_sleeping(Loaded& loaded, TlsRole role, TlsSettings settings, const std::string& prefix) {
  if (settings.enabled) return;
  settings.enabled = true;
  TlsMistakes mistakes;
  (void)build_side(role, settings, prefix, mistakes);
  for (const TlsMistake& mistake : mistakes) {
    if (loaded.places.contains(mistake.setting)) add(loaded, mistake, " (not in force: " + prefix + "sslmode = disable)");
  }
}

}  // namespace

TlsContexts build_tls(const Globals& globals, TlsMistakes& mistakes) {
  return {build_side(TlsRole::server, client_side(globals), "client_tls_", mistakes),
          build_side(TlsRole::client, server_side(globals), "server_tls_", mistakes)};
}

void check_tls(Loaded& loaded) {
  if (!loaded.draft) return;
  const Globals& globals = loaded.draft->globals;
  TlsMistakes mistakes;
  (void)build_tls(globals, mistakes);
  for (const TlsMistake& mistake : mistakes) add(loaded, mistake, "");
  if (!mistakes.empty()) loaded.config.reset();
  look_at_sleeping(loaded, TlsRole::server, client_side(globals), "client_tls_");
  look_at_sleeping(loaded, TlsRole::client, server_side(globals), "server_tls_");
  const std::string &cert = globals.metrics_tls_cert_file, &key = globals.metrics_tls_key_file;
  if (cert.empty() || key.empty()) return;
  TlsMistakes of_metrics;
  (void)build_side(TlsRole::server, {.enabled = true, .cert_file = cert, .key_file = key}, "metrics_tls_", of_metrics);
  for (const TlsMistake& mistake : of_metrics) add(loaded, mistake, ": nothing will listen on metrics_listen");
}

TlsContexts renew_tls(const TlsContexts& in_force, const Globals& old, Globals& fresh,
                      Changes& changes, TlsMistakes& mistakes) {
  TlsContexts built = build_tls(fresh, mistakes);
  for (const TlsMistake& mistake : mistakes) {
    const bool of_clients = mistake.setting.starts_with("client_");
    put_back(of_clients ? "client_tls" : "server_tls", old, fresh);
    (of_clients ? built.with_clients : built.with_servers) =
        of_clients ? in_force.with_clients : in_force.with_servers;
  }
  changes.server_tls_changed = !same(in_force.with_servers, built.with_servers) ||
                               old.server_tls_sslmode != fresh.server_tls_sslmode ||
                               old.server_tls_direct != fresh.server_tls_direct;
  // The tickets that clients hold are those of a context.
  if (same(in_force.with_clients, built.with_clients)) built.with_clients = in_force.with_clients;
  if (same(in_force.with_servers, built.with_servers)) built.with_servers = in_force.with_servers;
  return built;
}

TlsFiles::Marks TlsFiles::marks_of(const Globals& g) {
  Marks now;
  const auto look = [&](const std::string& path) {
    if (path.empty()) return;
    struct stat facts {};
    const bool there = ::stat(path.c_str(), &facts) == 0;
    now[path] = there ? fmt::format("{} {} {}.{}", facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec)
                      : std::string{};
  };
  if (g.client_tls_sslmode != SslMode::disable) {
    for (const auto& path : {g.client_tls_ca_file, g.client_tls_cert_file, g.client_tls_key_file}) look(path);
  }
  if (g.server_tls_sslmode != SslMode::disable) {
    for (const auto& path : {g.server_tls_ca_file, g.server_tls_cert_file, g.server_tls_key_file}) look(path);
  }
  return now;
}

void TlsFiles::remember(const Globals& globals) { known_ = seen_ = marks_of(globals); }

bool TlsFiles::changed(const Globals& globals) {
  Marks now = marks_of(globals);
  const bool settled = seen_ == now;
  seen_ = std::move(now);
  return settled && seen_ != known_;
}

}  // namespace pgweir
