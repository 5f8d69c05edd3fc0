#include "proxy/web/web.h"

#include <algorithm>

#include "config/host_port.h"
#include "proxy/core/log.h"
#include "proxy/net/clock.h"
#include "proxy/web/metrics.h"

namespace pgweir {
namespace {

constexpr Duration shared_for = milliseconds(500);

HttpAnswer plain(unsigned status, std::string text) { return {status, "text/plain; charset=utf-8", std::move(text), {}}; }

}  // namespace

Web::Web(Fleet& fleet, const Ledger& ledger, std::string version)
    : fleet_(fleet), ledger_(ledger), version_(std::move(version)), sessions_([&fleet] { return fleet.random_secret(); }) {
  server_.on_request([this](const HttpRequest& request, Reply reply) { answer(request, std::move(reply)); });
}

Web::~Web() { stop(); }

void Web::start(std::shared_ptr<const Config> config) {
  put_in_force(std::move(config));
  server_.start();
}

void Web::apply(std::shared_ptr<const Config> config) {
  server_.post([this, config = std::move(config)] { put_in_force(config); });
}

void Web::leave(std::function<void()> done) {
  server_.post([this, done = std::move(done)] {
    left_ = true;
    server_.close_listeners();
    done();
  });
}

void Web::stop() { server_.stop(); }

void Web::put_in_force(std::shared_ptr<const Config> config) {
  config_ = std::move(config);
  listen();
  if (!sampling_ && wants_samples()) sampling_ = true, sample();
}

// With new certificates, if they have changed. False: there is something wrong with them, which has been logged.
bool Web::secure() {
  const Globals& globals = config_->globals;
  const std::string error = server_.use_tls(globals.metrics_tls_cert_file, globals.metrics_tls_key_file);
  if (!error.empty()) log::line(log::Level::error, "metrics_tls_cert_file, metrics_tls_key_file: {}", error);
  if (error.empty()) secured_ = !globals.metrics_tls_cert_file.empty();
  return error.empty();
}

void Web::listen() {
  const std::string& wanted = config_->globals.metrics_listen;
  if (left_ || (wanted.empty() && listening_on_.empty())) return;
  // What listens goes on with the certificate that it has; nothing begins to listen without the TLS that is asked for.
  if (!wanted.empty() && !secure() && wanted != listening_on_) return;
  if (wanted == listening_on_) return;
  listening_on_ = wanted;
  server_.close_listeners();
  if (wanted.empty()) return log::line(log::Level::log, "metrics_listen: off");
  const auto place = read_host_port(wanted);
  if (!place) {
    return log::line(log::Level::error, "metrics_listen = {} is not host:port; metrics and page are off", wanted);
  }
  if (const std::string error = server_.listen(place->host, place->port); !error.empty()) {
    log::line(log::Level::error, "cannot listen on metrics_listen = {}: {}; metrics and page are off", wanted, error);
    listening_on_.clear();   // the next reload tries again
    return;
  }
  log::line(log::Level::log, "metrics and page on {}://{}/{}", secured_ ? "https" : "http", wanted,
            config_->globals.metrics_password.empty() ? "" : " (with a password)");
}

// --- requests

void Web::answer(const HttpRequest& request, Reply reply) {
  const bool probe = request.path == "/healthz" || request.path == "/readyz";
  const std::string& password = config_->globals.metrics_password;
  if (!probe && !password.empty() && !basic_password_fits(request.authorization, password)) {
    HttpAnswer refusal = plain(401, "metrics_password is needed (HTTP Basic, any user name)\n");
    refusal.headers.emplace_back("WWW-Authenticate", "Basic realm=\"pgweir\", charset=\"UTF-8\"");
    // Whoever guesses has one guess a second on each connection.
    if (request.authorization.empty()) return reply(std::move(refusal));
    return server_.after(seconds(1), [reply, refusal] { reply(refusal); });
  }
  route(request, std::move(reply));
}

void Web::route(const HttpRequest& request, Reply reply) {
  const std::string& path = request.path;
  if (path.rfind("/api/", 0) == 0) return api(request, std::move(reply));
  if (request.method != "GET" && request.method != "HEAD") return reply(plain(405, "GET and HEAD only\n"));
  if (path == "/") return page(std::move(reply));
  if (path == "/metrics") return metrics(std::move(reply));
  if (path == "/healthz") return health(std::move(reply), false);
  if (path == "/readyz") return health(std::move(reply), true);
  reply(plain(404, "there are: / /metrics /healthz /readyz\n"));
}

void Web::page(Reply reply) {
  const std::string nonce = fmt::format("{:016x}", fleet_.random_secret());
  std::string html(page_html);
  constexpr std::string_view mark = "{{nonce}}";
  for (std::size_t at = 0; (at = html.find(mark, at)) != std::string::npos; at += nonce.size()) {
    html.replace(at, mark.size(), nonce);
  }
  HttpAnswer answer{200, "text/html; charset=utf-8", std::move(html), {}};
  answer.headers.emplace_back("Content-Security-Policy",
                              fmt::format("default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; connect-src 'self'; "
                                          "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nonce));
  answer.headers.emplace_back("Referrer-Policy", "no-referrer");
  reply(std::move(answer));
}

// Healthy: every worker answers. Ready: and new clients are served.
void Web::health(Reply reply, bool ready) {
  const auto answered = std::make_shared<bool>(false);
  server_.after(seconds(3), [reply, answered] {
    if (!*answered) *answered = true, reply(plain(503, "a worker does not answer\n"));
  });
  ask({.wants = Wants::nothing}, [reply, answered, ready](const SnapshotPtr& snapshot) {
    if (*answered) return;
    *answered = true;
    if (ready && snapshot->leaving) return reply(plain(503, "shutting down\n"));
    if (ready && snapshot->all_paused) return reply(plain(503, "paused\n"));
    reply(plain(200, "ok\n"));
  });
}

void Web::metrics(Reply reply) {
  Question all;
  all.clients = true;
  ask(std::move(all), [this, reply](const SnapshotPtr& snapshot) {
    auto out = std::make_shared<Exposition>();
    tell_exporter_metrics(*out, *snapshot, ledger_, version_);
    tell_own_metrics(*out, *snapshot, ledger_);
    tell_alert_metrics(*out, alerts_);
    const auto finish = [reply, out] { reply({200, "text/plain; version=0.0.4; charset=utf-8", out->text(), {}}); };
    const int queries = snapshot->config->globals.metrics_queries;
    if (queries == 0 || !snapshot->config->globals.query_digests) return finish();
    Question question;
    question.wants = Wants::queries;
    question.queries = {.by = query_order("total"), .limit = static_cast<std::size_t>(queries)};
    ask(std::move(question), [out, finish](const SnapshotPtr& found) {
      tell_query_metrics(*out, *found);
      finish();
    });
  });
}

// --- asking

void Web::ask(Question question, Told told) {
  take_snapshot(fleet_, std::move(question), [this, told = std::move(told)](SnapshotPtr snapshot) {
    server_.post([told, snapshot = std::move(snapshot)] { told(snapshot); });
  });
}

void Web::ask_for_pools(Told told) {
  if (pools_ && monotonic_now() - pools_at_ < shared_for) return told(pools_);
  pools_waiters_.push_back(std::move(told));
  if (pools_waiters_.size() > 1) return;
  ask({}, [this](const SnapshotPtr& snapshot) {
    pools_ = snapshot;
    pools_at_ = monotonic_now();
    const std::vector<Told> waiters = std::exchange(pools_waiters_, {});
    for (const Told& waiter : waiters) waiter(snapshot);
  });
}

bool Web::wants_samples() const { return !listening_on_.empty() || Alerts::wanted(config_->globals); }

void Web::sample() {
  if (!wants_samples()) {
    sampling_ = false;
    return;
  }
  ask_for_pools([this](const SnapshotPtr& snapshot) {
    history_.add(sample_of(*snapshot));
    if (auto changes = alerts_.judge(*snapshot, history_.last(60)); !changes.empty()) {
      Question evidence;
      evidence.wants = Wants::pools_and_activity;
      ask(std::move(evidence), [this, changes = std::move(changes)](const SnapshotPtr& found) {
        for (const AlertChange& change : changes) tell(change, found);
      });
    }
    server_.after(History::period, [this] { sample(); });
  });
}

}  // namespace pgweir
