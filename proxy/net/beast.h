// How this room includes Beast: compiled once, in beast_impl.cpp. Never included by a header that others see.
#pragma once

#define BOOST_BEAST_SEPARATE_COMPILATION 1

// First, for it says how Asio is compiled.
#include "proxy/net/asio.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
