// Numbers as PgBouncer's ini writes them. Blanks around them are not part of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "config/globals.h"

namespace pgweir {

// A C integer: decimal, octal with a leading 0, hexadecimal with 0x. Nothing on junk behind it, on
// an empty text, and out of range.
std::optional<std::int64_t> parse_integer(std::string_view text);

// The same without octal and hexadecimal, as in [databases] and [users], where 010 is ten.
std::optional<std::int64_t> parse_decimal(std::string_view text);

// Seconds as a decimal ("0.5", "1e3"), to the microsecond. Nothing on junk, when negative, not
// finite, or beyond what Micros can hold.
std::optional<Micros> parse_seconds(std::string_view text);

}  // namespace pgweir
