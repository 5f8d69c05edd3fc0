#include "proxy/net/http_connection.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>

namespace pgweir {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Error = boost::system::error_code;
using Plain = beast::tcp_stream;
using Secured = beast::ssl_stream<beast::tcp_stream>;

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

template <typename Stream>
class ConnectionOver final : public HttpConnection, public std::enable_shared_from_this<ConnectionOver<Stream>> {
 public:
  // `tls` outlives the stream, which refers to it.
  template <typename... Arguments>
  ConnectionOver(std::weak_ptr<HttpCore> server, HttpTlsContext tls, Arguments&&... stream)
      : server_(std::move(server)), tls_(std::move(tls)), stream_(std::forward<Arguments>(stream)...) {
    Error ignored;
    const auto endpoint = tcp().socket().remote_endpoint(ignored);
    if (!ignored) remote_ = endpoint.address().to_string();
  }

  void start() override {
    if constexpr (std::is_same_v<Stream, Secured>) {
      tcp().expires_after(request_time_max);
      stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](Error error) {
        if (error) return self->close();
        self->read(true);
      });
    } else {
      read(true);
    }
  }
  void close() override {
    Error ignored;
    tcp().socket().close(ignored);
  }
  bool busy() const override { return busy_; }

 private:
  Plain& tcp() { return beast::get_lowest_layer(stream_); }

  void read(bool first) {
    parser_.emplace();
    parser_->header_limit(header_bytes_max);
    parser_->body_limit(body_bytes_max);
    busy_ = false;
    // A kept connection may be silent for longer; its next request has the time of one from its first byte on, and
    // that of the silence before it at most.
    tcp().expires_after(first || buffer_.size() > 0 ? request_time_max : silence_max);
    http::async_read_header(stream_, buffer_, *parser_, [self = this->shared_from_this()](Error error, std::size_t) {
      if (error) return self->refuse(error);
      self->tcp().expires_after(request_time_max);
      http::async_read(self->stream_, self->buffer_, *self->parser_, [self](Error body_error, std::size_t) {
        if (body_error) return self->refuse(body_error);
        self->answer();
      });
    });
  }

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
    tcp().expires_never();
    const auto& message = parser_->get();
    const bool last = !message.keep_alive();
    head_ = message.method() == http::verb::head;
    const std::uint64_t turn = ++turn_;
    const std::weak_ptr<ConnectionOver> weak = this->weak_from_this();
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
    timer->async_wait([self = this->shared_from_this(), timer, settle](Error error) {
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
    tcp().expires_after(answer_time_max);
    http::async_write(stream_, *message, [self = this->shared_from_this(), message, last](Error error, std::size_t) {
      if (error || last) return self->end();
      self->read(false);
    });
    head_ = false;
  }

  // Over TLS it says so, lest the answer look cut off.
  void end() {
    if constexpr (std::is_same_v<Stream, Secured>) {
      tcp().expires_after(answer_time_max);
      stream_.async_shutdown([self = this->shared_from_this()](Error) { self->close(); });
    } else {
      close();
    }
  }

  std::weak_ptr<HttpCore> server_;
  HttpTlsContext tls_;
  Stream stream_;
  beast::flat_buffer buffer_{header_bytes_max + body_bytes_max};
  std::optional<http::request_parser<http::string_body>> parser_;
  std::shared_ptr<asio::steady_timer> waiting_;  // while the handler works
  std::string remote_;
  std::uint64_t turn_ = 0;
  bool busy_ = false, head_ = false;
};

}  // namespace

std::shared_ptr<HttpConnection> make_http_connection(std::weak_ptr<HttpCore> server, Tcp::socket socket, HttpTlsContext tls) {
  if (!tls) return std::make_shared<ConnectionOver<Plain>>(std::move(server), nullptr, std::move(socket));
  asio::ssl::context& context = *tls;
  return std::make_shared<ConnectionOver<Secured>>(std::move(server), std::move(tls), std::move(socket), context);
}

}  // namespace pgweir
