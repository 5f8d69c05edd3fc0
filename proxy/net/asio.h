// How this room includes Asio: compiled once, in asio_impl.cpp. Never included by a header that
// others see.
#pragma once

#define BOOST_ASIO_SEPARATE_COMPILATION 1
#define BOOST_ASIO_NO_DEPRECATED 1
#define BOOST_ERROR_CODE_HEADER_ONLY 1

#if defined(__SANITIZE_THREAD__)
// The thread sanitizer does not know fences and says so; Asio's queues are ordered by their mutex
// anyway.
#define BOOST_ASIO_DISABLE_FENCED_BLOCK 1
#endif

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
