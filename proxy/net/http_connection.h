// One client of the HTTP server, over TCP or TLS. For this room only: it knows Asio and Beast.
#pragma once

#include <memory>

#include "proxy/net/beast.h"
#include "proxy/net/http_server.h"

#include <boost/asio/ssl/context.hpp>

namespace pgweir {

using HttpTlsContext = std::shared_ptr<boost::asio::ssl::context>;

// What connections need of their server; they may outlive it.
struct HttpCore {
  boost::asio::io_context io{1};
  HttpServer::Handler handler;
};

// Lives as long as something is under way for it.
class HttpConnection {
 public:
  virtual ~HttpConnection() = default;
  virtual void start() = 0;
  virtual void close() = 0;
  // A request is with the handler.
  virtual bool busy() const = 0;
};

// `tls` null: plain TCP.
std::shared_ptr<HttpConnection> make_http_connection(std::weak_ptr<HttpCore> server, boost::asio::ip::tcp::socket socket,
                                                     HttpTlsContext tls);

}  // namespace pgweir
