#include "proxy/net/http_server.h"

#include "proxy/net/beast.h"
#include "proxy/net/http_post.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <optional>
#include <thread>

namespace pgweir {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Error = boost::system::error_code;

constexpr std::size_t connections_max = 64;
constexpr std::uint32_t header_bytes_max = 8 * 1024;
constexpr std::uint64_t body_bytes_max = 16 * 1024;
constexpr auto request_time_max = std::chrono::seconds(10);
constexpr auto answer_time_max = std::chrono::seconds(10);
constexpr auto silence_max = std::chrono::seconds(60);
constexpr auto handler_time_max = std::chrono::seconds(15);

// `%2F` and the like; a malformed escape stays as it is.
std::string decoded(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    result += escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return result;
}

HttpRequest plain(const http::request<http::string_body>& from, const std::string& remote) {
  const auto header = [&](auto name) { return std::string(from[name]); };
  HttpRequest request;
  request.method = std::string(from.method_string());
  const std::string target(from.target());
  const std::size_t mark = target.find('?');
  request.path = decoded(std::string_view(target).substr(0, mark));
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  request.authorization = header(http::field::authorization);
  request.cookie = header(http::field::cookie);
  request.content_type = header(http::field::content_type);
  request.csrf_token = header("X-CSRF-Token");
  request.origin = header(http::field::origin);
  request.host = header(http::field::host);
  request.body = from.body();
  request.remote = remote;
  return request;
}

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<Impl> {
  class Connection;
  void accept(const std::shared_ptr<Tcp::acceptor>& acceptor);
  void admit(Tcp::socket socket);
  void close_everything();

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  Handler handler;
  std::vector<std::shared_ptr<Tcp::acceptor>> acceptors;
  std::list<std::weak_ptr<Connection>> connections;  // the one that has been silent longest in front
  std::thread thread;
};

// One client. Lives as long as something is under way for it.
class HttpServer::Impl::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::weak_ptr<Impl> server, Tcp::socket socket) : server_(std::move(server)), stream_(std::move(socket)) {
    Error ignored;
    const auto endpoint = stream_.socket().remote_endpoint(ignored);
    if (!ignored) remote_ = endpoint.address().to_string();
  }

  void read(bool first) {
    parser_.emplace();
    parser_->header_limit(header_bytes_max);
    parser_->body_limit(body_bytes_max);
    busy_ = false;
    // A kept connection may be silent for longer; its next request has the time of one from its first byte on, and
    // that of the silence before it at most.
    stream_.expires_after(first || buffer_.size() > 0 ? request_time_max : silence_max);
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
      if (error) return self->refuse(error);
      self->stream_.expires_after(request_time_max);
      http::async_read(self->stream_, self->buffer_, *self->parser_, [self](Error body_error, std::size_t) {
        if (body_error) return self->refuse(body_error);
        self->answer();
      });
    });
  }
  void close() {
    Error ignored;
    stream_.socket().close(ignored);
  }
  bool busy() const { return busy_; }

 private:
  void refuse(Error error) {
    if (error == http::error::header_limit) return say({431, "text/plain", "headers of more than 8 KiB\n", {}}, true);
    if (error == http::error::body_limit) return say({413, "text/plain", "a body of more than 16 KiB\n", {}}, true);
    const bool malformed = error.category() == make_error_code(http::error::bad_method).category() &&
                           error != http::error::end_of_stream && error != http::error::partial_message;
    if (malformed) return say({400, "text/plain", "not a request\n", {}}, true);
    close();
  }

  void answer() {
    const auto server = server_.lock();
    if (!server) return close();
    busy_ = true;
    stream_.expires_never();
    const auto& message = parser_->get();
    const bool last = !message.keep_alive();
    head_ = message.method() == http::verb::head;
    const std::uint64_t turn = ++turn_;
    const std::weak_ptr<Connection> weak = weak_from_this();
    // The reply may come from anywhere and at any time, or never.
    const auto settle = [weak, server_weak = server_, turn, last](HttpAnswer answer) {
      const auto owner = server_weak.lock();
      if (!owner) return;
      asio::post(owner->io, [weak, turn, last, answer = std::move(answer)]() mutable {
        const auto self = weak.lock();
        if (self && self->turn_ == turn && self->busy_) self->say(std::move(answer), last);
      });
    };
    // Held by its own timer, so that it is there when the answer comes.
    auto timer = std::make_shared<asio::steady_timer>(server->io, handler_time_max);
    waiting_ = timer;
    timer->async_wait([self = shared_from_this(), timer, settle](Error error) {
      if (!error) settle({503, "text/plain; charset=utf-8", "no answer from the workers\n", {}});
    });
    server->handler(plain(message, remote_), settle);
  }

  void say(HttpAnswer answer, bool last) {
    busy_ = false;
    if (waiting_) waiting_->cancel();
    waiting_.reset();
    auto message = std::make_shared<http::response<http::string_body>>(static_cast<http::status>(answer.status), 11);
    message->set(http::field::server, "pgweir");
    message->set(http::field::content_type, answer.type);
    message->set(http::field::cache_control, "no-store");
    message->set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : answer.headers) message->set(name, value);
    message->keep_alive(!last);
    const std::size_t bytes = answer.body.size();
    if (!head_) message->body() = std::move(answer.body);
    message->content_length(bytes);
    stream_.expires_after(answer_time_max);
    http::async_write(stream_, *message, [self = shared_from_this(), message, last](Error error, std::size_t) {
      if (error || last) return self->close();
      self->read(false);
    });
    head_ = false;
  }

  std::weak_ptr<Impl> server_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{header_bytes_max + body_bytes_max};
  std::optional<http::request_parser<http::string_body>> parser_;
  std::shared_ptr<asio::steady_timer> waiting_;  // while the handler works
  std::string remote_;
  std::uint64_t turn_ = 0;
  bool busy_ = false, head_ = false;
};

void HttpServer::Impl::accept(const std::shared_ptr<Tcp::acceptor>& acceptor) {
  acceptor->async_accept([weak = weak_from_this(), acceptor](Error error, Tcp::socket socket) {
    const auto self = weak.lock();
    if (!self || !acceptor->is_open()) return;
    if (!error) {
      self->admit(std::move(socket));
      return self->accept(acceptor);
    }
    // Out of descriptors, most likely: a pause, so as not to spin.
    auto timer = std::make_shared<asio::steady_timer>(self->io, std::chrono::milliseconds(200));
    timer->async_wait([weak, acceptor, timer](Error) {
      const auto again = weak.lock();
      if (again && acceptor->is_open()) again->accept(acceptor);
    });
  });
}

void HttpServer::Impl::admit(Tcp::socket socket) {
  connections.remove_if([](const auto& one) { return one.expired(); });
  if (connections.size() >= connections_max) {
    for (auto at = connections.begin(); at != connections.end(); ++at) {
      const auto other = at->lock();
      if (other && other->busy()) continue;
      if (other) other->close();
      connections.erase(at);
      break;
    }
    if (connections.size() >= connections_max) return;   // all are being answered
  }
  const auto fresh = std::make_shared<Connection>(weak_from_this(), std::move(socket));
  connections.push_back(fresh);
  fresh->read(true);
}

void HttpServer::Impl::close_everything() {
  for (const auto& acceptor : acceptors) {
    Error ignored;
    acceptor->close(ignored);
  }
  acceptors.clear();
  for (const auto& weak : connections) {
    if (const auto connection = weak.lock()) connection->close();
  }
  connections.clear();
}

HttpServer::HttpServer() : impl_(std::make_shared<Impl>()) {}

HttpServer::~HttpServer() { stop(); }

void HttpServer::on_request(Handler handler) { impl_->handler = std::move(handler); }

void HttpServer::start() {
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
}

void HttpServer::stop() {
  if (impl_->thread.joinable()) {
    impl_->io.stop();
    impl_->thread.join();
  }
  impl_->close_everything();
  impl_->handler = nullptr;
}

void HttpServer::close_listeners() {
  for (const auto& acceptor : impl_->acceptors) {
    Error ignored;
    acceptor->close(ignored);
  }
  impl_->acceptors.clear();
}

std::string HttpServer::listen(const std::string& host, std::uint16_t port) {
  close_listeners();
  Error error;
  Tcp::resolver resolver(impl_->io);
  std::vector<Tcp::endpoint> endpoints;
  if (host == "*") {
    endpoints = {{Tcp::v6(), port}, {Tcp::v4(), port}};
  } else {
    for (const auto& entry : resolver.resolve(host, std::to_string(port), Tcp::resolver::passive, error)) {
      endpoints.push_back(entry.endpoint());
    }
    if (error) return host + ": " + error.message();
  }
  std::string wrong;
  for (const Tcp::endpoint& endpoint : endpoints) {
    auto acceptor = std::make_shared<Tcp::acceptor>(impl_->io);
    acceptor->open(endpoint.protocol(), error);
    if (!error) acceptor->set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error && endpoint.protocol() == Tcp::v6()) acceptor->set_option(asio::ip::v6_only(true), error);
    if (!error) acceptor->bind(endpoint, error);
    if (!error) acceptor->listen(static_cast<int>(connections_max), error);
    if (error) {
      wrong = endpoint.address().to_string() + ": " + error.message();
      continue;
    }
    impl_->acceptors.push_back(acceptor);
    impl_->accept(acceptor);
  }
  // A machine without IPv6 is no mistake.
  return impl_->acceptors.empty() ? wrong : std::string{};
}

void HttpServer::post(std::function<void()> action) { asio::post(impl_->io, std::move(action)); }

void HttpServer::after(std::chrono::milliseconds pause, std::function<void()> action) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->io, pause);
  timer->async_wait([timer, action = std::move(action)](Error error) {
    if (!error) action();
  });
}

void HttpServer::send_post(const std::string& url, std::string body, std::function<void(std::string)> done) {
  post_json(impl_->io, url, std::move(body), std::move(done));
}

}  // namespace pgweir
