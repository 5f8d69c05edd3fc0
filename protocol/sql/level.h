// What the writer of a digest keeps for each level of brackets, and the bytes that stand for values
// in its text.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pgweir::sql {

// Stands for a literal or parameter in the normalized text. No token can bring it: elsewhere such a
// byte is spelled.
inline constexpr char placeholder = '\x01';
// A number after a minus that may be its sign: PostgreSQL makes one constant of the two, but not of
// `- 'text'`.
inline constexpr char signed_placeholder = '\x02';
inline constexpr std::size_t depth_max = 16;  // lists nested deeper are not folded
inline constexpr std::size_t none = ~std::size_t{0};

// What a pair of brackets holds.
enum class Inside : std::uint8_t { anything, list, in_list, row };

// What is known of one level of brackets. Positions are offsets in the text.
//
//   in ( member , member        values ( row ) , ( row )
//        ^last    ^member              ^last     ^member     equal ones are cut off again
struct Level {
  Inside inside = Inside::anything;
  bool rows = false;             // a VALUES list is under way at this level
  bool position = false;         // of position( ... in ...), whose `in` starts no list
  bool bracket_in_list = false;  // [ inside of ARRAY[
  std::size_t member = 0;        // where the member, or the row, under way starts
  std::size_t last = none;       // where the one before starts
  std::size_t last_end = 0;
};

}  // namespace pgweir::sql
