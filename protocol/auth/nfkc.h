// Normalization form KC. Source: Unicode Standard Annex 15; Hangul: The Unicode Standard,
// section 3.12.
#pragma once

#include <string>
#include <string_view>

namespace pgweir::unicode {

// For text of characters of Unicode 3.2; later ones are left as they are.
std::u32string to_nfkc(std::u32string_view text);

}  // namespace pgweir::unicode
