// Signing in, and what an administrator may order then: PAUSE, RESUME, RECONNECT and KILL of a database.
#include <boost/json.hpp>
#include <atomic>

#include "proxy/admin/console_grammar.h"
#include "proxy/core/log.h"
#include "proxy/net/clock.h"
#include "proxy/web/web.h"

namespace pgweir {
namespace {

namespace json = boost::json;

// Browsers send no JSON to a foreign site without asking it first, and name the page's origin when they send anything.
bool comes_from_our_page(const HttpRequest& request) {
  const bool own = request.origin.empty() || request.origin == "http://" + request.host || request.origin == "https://" + request.host;
  return own && request.content_type.rfind("application/json", 0) == 0;
}

// The members of an object of texts; empty when it is anything else.
std::map<std::string, std::string> texts_in(const std::string& body) {
  boost::system::error_code error;
  const json::value value = json::parse(body, error);
  if (error || !value.is_object()) return {};
  std::map<std::string, std::string> result;
  for (const auto& [name, member] : value.as_object()) {
    if (member.is_string()) result.emplace(std::string(name), std::string(member.as_string()));
  }
  return result;
}

HttpAnswer session_told(const WebSession* session) {
  if (!session) return json_answer(R"({"user":null})");
  return json_answer(json::serialize(json::object{{"user", session->user}, {"csrf", session->csrf}}));
}

Task task_of(const std::string& command, const std::string& database) {
  if (command == "PAUSE") return [database](Worker& worker) { worker.pause(database); };
  if (command == "RESUME") return [database](Worker& worker) { worker.resume(database); };
  if (command == "RECONNECT") return [database](Worker& worker) { worker.reconnect(database); };
  if (command == "KILL") return [database](Worker& worker) { worker.kill(database); };
  return {};
}

}  // namespace

void Web::api_session(const HttpRequest& request, Reply reply) {
  if (request.method == "GET") return reply(session_told(sessions_.find(*config_, request.cookie, monotonic_now())));
  if (!comes_from_our_page(request)) return reply(json_error(403, "not from this page"));
  if (request.method == "POST") return sign_in(request, std::move(reply));
  if (request.method != "DELETE") return reply(json_error(405, "GET, POST and DELETE only"));
  sessions_.close(request.cookie);
  HttpAnswer answer = json_answer(R"({"user":null})");
  answer.headers.emplace_back("Set-Cookie", std::string(SignIn::cookie_name) + "=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
  reply(std::move(answer));
}

void Web::sign_in(const HttpRequest& request, Reply reply) {
  auto texts = texts_in(request.body);
  const std::string user = texts["user"];
  const WebSession* session = sessions_.open(*config_, user, texts["password"], monotonic_now());
  if (!session) {
    log::line(log::Level::warning, "page: sign-in failed: user={} from {}", user, request.remote);
    return server_.after(seconds(1), [reply] {
      reply(json_error(403, "no administrator (admin_users) with that password (auth_file)"));
    });
  }
  log::line(log::Level::log, "page: {} signed in from {}", user, request.remote);
  HttpAnswer answer = session_told(session);
  answer.headers.emplace_back("Set-Cookie", fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict{}", SignIn::cookie_name,
                                                        session->token, secured_ ? "; Secure" : ""));
  reply(std::move(answer));
}

void Web::api_command(const HttpRequest& request, Reply reply) {
  if (request.method != "POST") return reply(json_error(405, "POST only"));
  if (!comes_from_our_page(request)) return reply(json_error(403, "not from this page"));
  const WebSession* session = sessions_.find(*config_, request.cookie, monotonic_now());
  if (!session) return reply(json_error(401, "sign in first"));
  if (request.csrf_token != session->csrf) return reply(json_error(403, "X-CSRF-Token is not this session's"));
  auto texts = texts_in(request.body);
  const std::string command = texts["command"], database = texts["database"];
  const Task task = task_of(command, database);
  if (!task) return reply(json_error(400, "there are PAUSE, RESUME, RECONNECT and KILL"));
  if (database.empty() || database == console_database || !config_->database(database)) {
    return reply(json_error(400, "no such database: " + database));
  }
  log::line(log::Level::log, "{} '{}' command issued by {} on the page", command, database, session->user);
  const auto missing = std::make_shared<std::atomic<unsigned>>(fleet_.size());
  for (unsigned n = 0; n < fleet_.size(); ++n) {
    fleet_.post(n, [task, missing, reply, command](Worker& worker) {
      task(worker);
      if (missing->fetch_sub(1) == 1) reply(json_answer(json::serialize(json::object{{"done", command}})));
    });
  }
}

}  // namespace pgweir
