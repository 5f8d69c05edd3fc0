// The few words that the digest of a statement must know.
#pragma once

#include <cstdint>
#include <string_view>

namespace pgweir::sql {

enum class Keyword : std::uint8_t {
  none,
  // first words of statements
  begin,
  call,
  close,
  commit,
  create,
  deallocate,
  declare,
  delete_,
  execute,
  explain,
  fetch,
  insert,
  merge,
  move,
  prepare,
  release,
  rollback,
  savepoint,
  select,
  set,
  table,
  update,
  values,
  with,
  // words inside
  all,
  and_,
  array,
  as,
  by,
  current_time,
  current_timestamp,
  exists,
  float_,
  from,
  in,
  localtime,
  localtimestamp,
  not_,
  on,
  or_,
  over,
  position,
  to,
  transaction,
  uescape,
  using_,
  where,
};

// The keyword that the word is, in any case.
Keyword find_keyword(std::string_view word);

// Statements whose literals are values: which ones they are does not change what the statement is.
constexpr bool folds_literals(Keyword first) {
  switch (first) {
    case Keyword::call:
    case Keyword::commit:
    case Keyword::declare:
    case Keyword::delete_:
    case Keyword::execute:
    case Keyword::insert:
    case Keyword::merge:
    case Keyword::prepare:
    case Keyword::rollback:
    case Keyword::select:
    case Keyword::set:
    case Keyword::table:
    case Keyword::update:
    case Keyword::values:
    case Keyword::with:
      return true;
    default:
      return false;
  }
}

// `float(24)` and `float(25)` are different types; the clock's precisions are parts of the
// expression.
constexpr bool shapes_by_number(Keyword word) {
  return word == Keyword::float_ || word == Keyword::current_time ||
         word == Keyword::current_timestamp || word == Keyword::localtime ||
         word == Keyword::localtimestamp;
}

// Words after which people write a space before a bracket; after others it is the call of a
// function.
constexpr bool spaced_before_bracket(Keyword word) {
  switch (word) {
    case Keyword::in:
    case Keyword::values:
    case Keyword::and_:
    case Keyword::or_:
    case Keyword::not_:
    case Keyword::as:
    case Keyword::by:
    case Keyword::from:
    case Keyword::on:
    case Keyword::over:
    case Keyword::using_:
    case Keyword::where:
    case Keyword::exists:
    case Keyword::select:
    case Keyword::explain:
    case Keyword::set:
      return true;
    default:
      return false;
  }
}

}  // namespace pgweir::sql
