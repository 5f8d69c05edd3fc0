#include "protocol/sql/keywords.h"

#include <algorithm>
#include <array>

namespace pgweir::sql {
namespace {

struct Row {
  std::string_view word;
  Keyword keyword;
};

// Sorted by length, then by the alphabet.
constexpr Row rows[] = {
    {"as", Keyword::as},
    {"by", Keyword::by},
    {"in", Keyword::in},
    {"on", Keyword::on},
    {"or", Keyword::or_},
    {"to", Keyword::to},
    {"all", Keyword::all},
    {"and", Keyword::and_},
    {"not", Keyword::not_},
    {"set", Keyword::set},
    {"call", Keyword::call},
    {"from", Keyword::from},
    {"move", Keyword::move},
    {"over", Keyword::over},
    {"with", Keyword::with},
    {"array", Keyword::array},
    {"begin", Keyword::begin},
    {"close", Keyword::close},
    {"fetch", Keyword::fetch},
    {"float", Keyword::float_},
    {"merge", Keyword::merge},
    {"table", Keyword::table},
    {"using", Keyword::using_},
    {"where", Keyword::where},
    {"commit", Keyword::commit},
    {"create", Keyword::create},
    {"delete", Keyword::delete_},
    {"exists", Keyword::exists},
    {"insert", Keyword::insert},
    {"select", Keyword::select},
    {"update", Keyword::update},
    {"values", Keyword::values},
    {"declare", Keyword::declare},
    {"execute", Keyword::execute},
    {"explain", Keyword::explain},
    {"prepare", Keyword::prepare},
    {"release", Keyword::release},
    {"uescape", Keyword::uescape},
    {"position", Keyword::position},
    {"rollback", Keyword::rollback},
    {"localtime", Keyword::localtime},
    {"savepoint", Keyword::savepoint},
    {"deallocate", Keyword::deallocate},
    {"transaction", Keyword::transaction},
    {"current_time", Keyword::current_time},
    {"localtimestamp", Keyword::localtimestamp},
    {"current_timestamp", Keyword::current_timestamp},
};
constexpr std::size_t length_max = 17;

// first_of[n] is the first row whose word has n letters or more.
constexpr std::array<std::uint8_t, length_max + 2> make_index() {
  std::array<std::uint8_t, length_max + 2> first_of{};
  for (std::size_t n = 0; n < first_of.size(); ++n) {
    std::uint8_t at = 0;
    while (at < std::size(rows) && rows[at].word.size() < n) ++at;
    first_of[n] = at;
  }
  return first_of;
}
constexpr auto first_of = make_index();

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// initials[n] has a bit for each letter that a word of n letters begins with: most words end here.
constexpr std::array<std::uint32_t, length_max + 1> make_initials() {
  std::array<std::uint32_t, length_max + 1> initials{};
  for (const Row& row : rows) initials[row.word.size()] |= 1u << (row.word[0] - 'a');
  return initials;
}
constexpr auto initials = make_initials();

bool same(std::string_view word, std::string_view keyword) {
  return std::equal(word.begin(), word.end(), keyword.begin(), [](char a, char b) {
    return lower(a) == b;
  });
}

}  // namespace

Keyword find_keyword(std::string_view word) {
  if (word.empty() || word.size() > length_max) return Keyword::none;
  const char first = lower(word[0]);
  if (first < 'a' || first > 'z' || (initials[word.size()] >> (first - 'a') & 1) == 0) return Keyword::none;
  for (std::size_t at = first_of[word.size()]; at < first_of[word.size() + 1]; ++at) {
    if (rows[at].word[0] == first && same(word, rows[at].word)) return rows[at].keyword;
  }
  return Keyword::none;
}

}  // namespace pgweir::sql
