// What metrics_listen serves: /metrics, /healthz, /readyz, the page and its JSON.
//
//   web.cpp      start, reload, who may look, the way of a request     api.cpp     the JSON of the page
//   orders.cpp   what an administrator may order                       *metrics.cpp  /metrics
#pragma once

#include <map>
#include <memory>
#include <string>

#include "proxy/net/http_server.h"
#include "proxy/session/worker.h"
#include "proxy/web/alerts.h"
#include "proxy/web/history.h"
#include "proxy/web/sign_in.h"
#include "proxy/web/snapshot.h"

namespace pgweir {

// Owned by the process. Everything but the functions said to be thread-safe happens on the HTTP server's thread; the
// workers are asked by messages, and never waited for.
class Web {
 public:
  Web(Fleet& fleet, const Ledger& ledger, std::string version);
  ~Web();

  // Listens as the configuration says; what cannot be listened on is logged and left. Main thread, once.
  void start(std::shared_ptr<const Config> config);
  // The same after a reload. Thread-safe.
  void apply(std::shared_ptr<const Config> config);
  // Another process is to listen there: lets go of metrics_listen for good, then calls `done` on its thread. Thread-safe.
  void leave(std::function<void()> done);
  // Before the workers end. Main thread.
  void stop();

 private:
  using Reply = HttpServer::Reply;
  using Told = std::function<void(SnapshotPtr)>;
  struct Parameters;

  // --- web.cpp
  void put_in_force(std::shared_ptr<const Config> config);
  bool secure();
  void listen();
  void answer(const HttpRequest& request, Reply reply);
  void route(const HttpRequest& request, Reply reply);
  void health(Reply reply, bool ready);
  void metrics(Reply reply);
  void page(Reply reply);
  // Asks the workers; `told` runs on the web thread.
  void ask(Question question, Told told);
  // The same for what the page asks for all the time: those who ask while an answer is under way, or half a second after it came,
  // share it.
  void ask_for_pools(Told told);
  void sample();
  bool wants_samples() const;
  void tell(const AlertChange& change, const SnapshotPtr& snapshot);

  // --- api.cpp
  void api(const HttpRequest& request, Reply reply);
  void api_overview(Reply reply);
  void api_history(const std::string& query, Reply reply);
  void api_show(const std::string& table, const std::string& query, Reply reply);
  void api_query(const std::string& id, Reply reply);
  void api_closes(Reply reply);

  // --- orders.cpp
  void api_session(const HttpRequest& request, Reply reply);
  void sign_in(const HttpRequest& request, Reply reply);
  void api_command(const HttpRequest& request, Reply reply);

  Fleet& fleet_;
  const Ledger& ledger_;
  const std::string version_;
  std::shared_ptr<const Config> config_;
  HttpServer server_;
  SignIn sessions_;
  History history_;
  Alerts alerts_;
  SnapshotPtr pools_;               // the last answer to ask_for_pools()
  TimePoint pools_at_{};
  std::vector<Told> pools_waiters_; // not empty: an answer is under way
  bool sampling_ = false;
  bool secured_ = false;            // over TLS
  bool left_ = false;               // see leave()
  std::string listening_on_;        // metrics_listen as it is in force
};

// Answers.
HttpAnswer json_answer(std::string body, unsigned status = 200);
HttpAnswer json_error(unsigned status, std::string_view text);

// The page, from page.html; `{{nonce}}` stands where a number used once has to.
extern const std::string_view page_html;

}  // namespace pgweir
