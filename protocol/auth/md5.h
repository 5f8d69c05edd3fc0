// PostgreSQL's md5 passwords: the stored hash and the salted answer to AuthenticationMD5Password.
// Source: PostgreSQL documentation, "Message Flow", AuthenticationMD5Password.
#pragma once

#include <string>
#include <string_view>

#include "protocol/bytes.h"

namespace pgweir {

// "md5" + hex(md5(password + user)). Empty when libcrypto refuses md5 (FIPS).
std::string md5_secret(std::string_view password, std::string_view user);
// What a client answers who knows `secret` (of kind md5): "md5" + hex(md5(32 hex digits + salt)).
// The salt has four bytes. Empty when libcrypto refuses md5 or `secret` is none.
std::string md5_answer(std::string_view secret, Bytes salt);
// Whether `answer` is that of somebody who knows the secret: a plain password or an md5 hash. Takes
// constant time in the answer's contents.
bool md5_answer_fits(std::string_view answer, std::string_view user, std::string_view secret,
                     Bytes salt);

}  // namespace pgweir
