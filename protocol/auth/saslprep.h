// SASLprep, the preparation of passwords for SCRAM. Source: RFC 4013, RFC 3454.
#pragma once

#include <string>
#include <string_view>

namespace pgweir {

// The password as it enters the hash. One that is not UTF-8, or that holds characters that SASLprep
// forbids or does not know, is used as it is: so does PostgreSQL, and a login has to come to the
// same keys.
std::string saslprep(std::string_view password);

}  // namespace pgweir
