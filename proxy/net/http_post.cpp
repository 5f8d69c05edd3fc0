#include "proxy/net/http_post.h"

#include <memory>

#include "proxy/net/beast.h"

namespace pgweir {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = boost::asio::ip::tcp;
using Error = boost::system::error_code;

constexpr auto time_max = std::chrono::seconds(10);
constexpr std::uint64_t answer_bytes_max = 64 * 1024;

class Post : public std::enable_shared_from_this<Post> {
 public:
  Post(boost::asio::io_context& io, std::function<void(std::string)> done)
      : resolver_(io), stream_(io), done_(std::move(done)) {}

  void run(const std::string& host, const std::string& port, const std::string& path, std::string body) {
    request_.method(http::verb::post);
    request_.version(11);
    request_.target(path);
    request_.set(http::field::host, host);
    request_.set(http::field::user_agent, "pgweir");
    request_.set(http::field::content_type, "application/json");
    request_.keep_alive(false);
    request_.body() = std::move(body);
    request_.prepare_payload();
    stream_.expires_after(time_max);
    resolver_.async_resolve(host, port, [self = shared_from_this()](Error error, Tcp::resolver::results_type found) {
      if (error) return self->end(error);
      self->stream_.async_connect(found, [self](Error failed, const Tcp::endpoint&) {
        if (failed) return self->end(failed);
        http::async_write(self->stream_, self->request_, [self](Error unsent, std::size_t) {
          if (unsent) return self->end(unsent);
          self->parser_.body_limit(answer_bytes_max);
          http::async_read(self->stream_, self->buffer_, self->parser_, [self](Error unread, std::size_t) { self->end(unread); });
        });
      });
    });
  }

 private:
  void end(Error error) {
    const unsigned status = error ? 0 : parser_.get().result_int();
    Error ignored;
    stream_.socket().close(ignored);
    done_(error ? error.message() : status >= 300 ? "status " + std::to_string(status) : std::string{});
  }

  Tcp::resolver resolver_;
  beast::tcp_stream stream_;
  http::request<http::string_body> request_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  std::function<void(std::string)> done_;
};

}  // namespace

void post_json(boost::asio::io_context& io, const std::string& url, std::string body,
               std::function<void(std::string)> done) {
  constexpr std::string_view scheme = "http://";
  if (url.rfind(scheme, 0) != 0) return done("the URL must begin with http://");
  const std::string rest = url.substr(scheme.size());
  const std::size_t slash = rest.find('/');
  const std::string authority = rest.substr(0, slash);
  const std::string path = slash == std::string::npos ? "/" : rest.substr(slash);
  const std::size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  std::string host = authority.substr(0, has_port ? colon : std::string::npos);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::make_shared<Post>(io, std::move(done))->run(host, has_port ? authority.substr(colon + 1) : "80", path, std::move(body));
}

}  // namespace pgweir
