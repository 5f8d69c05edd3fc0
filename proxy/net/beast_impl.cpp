// Beast's own code, compiled here and nowhere else.
#include "proxy/net/beast.h"

#include <boost/beast/src.hpp>
