// A small HTTP/1.1 server on a thread of its own: for metrics and the page, never for what is urgent.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pgweir {

// Whole, within the limits below. Valid during the call of the handler.
struct HttpRequest {
  std::string method;         // GET, HEAD, POST, DELETE ...
  std::string path;           // decoded, without the query
  std::string query;          // as it came, without the '?'
  std::string authorization;  // these are empty when the header is not there
  std::string cookie;
  std::string content_type;
  std::string csrf_token;  // X-CSRF-Token
  std::string origin;
  std::string host;
  std::string body;
  std::string remote;  // the client's address
};

struct HttpAnswer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Owned by the process. The handler, timers and what is posted run on its thread; all other functions are for the
// owner's thread unless they say otherwise.
//
// What a stranger can do to it is bounded: 64 connections (a new one closes the one that has been silent longest),
// 8 KiB of headers, 16 KiB of body, 10 s for a request, 10 s for taking an answer, 60 s of silence between two.
class HttpServer {
 public:
  using Reply = std::function<void(HttpAnswer)>;  // once, from any thread; never answering means 503 after a while
  using Handler = std::function<void(const HttpRequest& request, Reply reply)>;

  HttpServer();
  ~HttpServer();  // stops

  void on_request(Handler handler);  // before start()
  void start();
  // Closes everything and ends the thread; what was posted and has not run never will.
  void stop();

  // Listens there instead of where it did. Its thread, or before start(). Looks names up, and blocks for that. "*" is
  // all addresses. Returns an error text or nothing; after an error it listens nowhere.
  std::string listen(const std::string& host, std::uint16_t port);
  void close_listeners();
  // TLS with these for all connections to come; both empty: none. Its thread, or before start(). Returns an error text, and
  // leaves all as it was, when the files are not fit for that.
  std::string use_tls(const std::string& cert_file, const std::string& key_file);

  // Thread-safe.
  void post(std::function<void()> action);
  // Once, after so long; its thread only.
  void after(std::chrono::milliseconds pause, std::function<void()> action);
  // A POST of JSON to `http://host[:port]/path`, which is given up after 10 s; `done` gets an error text or nothing.
  // Its thread only.
  void send_post(const std::string& url, std::string body, std::function<void(std::string)> done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace pgweir
