#include "proxy/net/http_server.h"

#include "proxy/net/http_connection.h"
#include "proxy/net/http_post.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <thread>

namespace pgweir {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Error = boost::system::error_code;

constexpr std::size_t connections_max = 64;

}  // namespace

struct HttpServer::Impl : HttpCore, std::enable_shared_from_this<Impl> {
  void accept(const std::shared_ptr<Tcp::acceptor>& acceptor);
  void admit(Tcp::socket socket);
  void close_everything();

  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  HttpTlsContext tls;                               // of connections to come; null: none
  std::vector<std::shared_ptr<Tcp::acceptor>> acceptors;
  std::list<std::weak_ptr<HttpConnection>> connections;  // the one that has been silent longest in front
  std::thread thread;
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
  const auto fresh = make_http_connection(weak_from_this(), std::move(socket), tls);
  connections.push_back(fresh);
  fresh->start();
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

std::string HttpServer::use_tls(const std::string& cert_file, const std::string& key_file) {
  using asio::ssl::context;
  if (cert_file.empty() && key_file.empty()) {
    impl_->tls.reset();
    return {};
  }
  Error error;
  auto fresh = std::make_shared<context>(context::tls_server);
  fresh->set_options(context::no_tlsv1 | context::no_tlsv1_1 | context::no_sslv3, error);
  if (!error) fresh->use_certificate_chain_file(cert_file, error);
  if (error) return "cannot use the certificate in \"" + cert_file + "\": " + error.message();
  // Without a terminal, a key with a pass phrase must fail instead of asking.
  fresh->set_password_callback([](std::size_t, context::password_purpose) { return std::string(); }, error);
  fresh->use_private_key_file(key_file, context::pem, error);
  if (error) return "cannot use the private key in \"" + key_file + "\": " + error.message();
  impl_->tls = std::move(fresh);
  return {};
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
