// Asio's own code, compiled here and nowhere else.
#include "proxy/net/asio.h"

#include <boost/asio/impl/src.hpp>
