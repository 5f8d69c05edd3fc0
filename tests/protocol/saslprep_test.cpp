#include "protocol/auth/saslprep.h"

#include <doctest/doctest.h>

#include "protocol/auth/nfkc.h"

using namespace pgweir;

TEST_CASE("passwords are prepared as RFC 4013 and PostgreSQL prepare them") {
  struct Row {
    const char* what;
    std::string_view password, prepared;
  };
  const Row rows[] = {
      {"nothing", "", ""},
      {"ASCII is as it is", "pass word", "pass word"},
      {"soft hyphen, RFC 4013", "I\u00ADX", "IX"},
      {"case is kept, RFC 4013", "USER", "USER"},
      {"feminine ordinal, RFC 4013", "\u00AA", "a"},
      {"roman numeral nine, RFC 4013", "\u2168", "IX"},
      {"no-break space", "a\u00A0b", "a b"},
      {"decomposed umlaut is composed", "u\u0308", "\u00FC"},
      {"composed umlaut stays", "\u00FC", "\u00FC"},
      {"marks in the wrong order", "a\u0301\u0323", "\u1EA1\u0301"},
      {"full width", "\uFF21\uFF42", "Ab"},
      {"Hangul from its parts", "\u1112\u1161\u11AB", "\uD55C"},
      {"Hangul as it is", "\uD55C", "\uD55C"},
      {"ligature", "\uFB01", "fi"},
      {"control character: as it is", "\u0007\u00AA", "\u0007\u00AA"},
      {"mixed directions: as it is", "\u0627\u0031\u00AA", "\u0627\u0031\u00AA"},
      {"right to left", "\u0627\u0031\u0628", "\u0627\u0031\u0628"},
      {"unassigned in Unicode 3.2: as it is", "\U0001F600\u00AA", "\U0001F600\u00AA"},
      {"no UTF-8: as it is", "\xC2\xAA\xFF", "\xC2\xAA\xFF"},
      {"overlong: as it is", "\xC0\xAF\xC2\xAA", "\xC0\xAF\xC2\xAA"},
      {"surrogate: as it is", "\xED\xA0\x80\xC2\xAA", "\xED\xA0\x80\xC2\xAA"},
      {"cut short: as it is", "\xC2\xAA\xE2\x85", "\xC2\xAA\xE2\x85"},
      {"nothing left: as it is", "\u00AD", "\u00AD"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(saslprep(row.password) == row.prepared);
  }
}

TEST_CASE("normalization: every Hangul syllable is itself, and so are its parts put together") {
  for (char32_t c = 0xAC00; c < 0xAC00 + 11172; ++c) {
    const std::u32string one(1, c);
    CHECK(unicode::to_nfkc(one) == one);
  }
  CHECK(unicode::to_nfkc(U"\u1100\u1161\u11A8") == U"\uAC01");
  CHECK(unicode::to_nfkc(U"\u1100\u1161\u0308\u11A8") == U"\uAC00\u0308\u11A8");
}
