// One POST of JSON to somebody else's server. For this room only: it knows Asio.
#pragma once

#include <functional>
#include <string>

#include "proxy/net/asio.h"

namespace pgweir {

// `http://host[:port][/path]`; given up after 10 s. `done`, on the thread of `io`, gets an error text or nothing; a
// status of 300 and above is an error.
void post_json(boost::asio::io_context& io, const std::string& url, std::string body,
               std::function<void(std::string error)> done);

}  // namespace pgweir
