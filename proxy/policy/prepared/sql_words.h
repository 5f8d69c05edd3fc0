// The words of an SQL text. Offsets count from its beginning; every function accepts any offset up to its size.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// Source: PostgreSQL documentation, "Lexical Structure", with standard_conforming_strings on.
namespace pgweir::policy::words {

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
inline bool starts_word(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || (c & 0x80) != 0; }

// Behind white space and comments.
std::size_t skip_blank(std::string_view sql, std::size_t at);
// Behind the block comment at `at`, those in it included.
std::size_t skip_block_comment(std::string_view sql, std::size_t at);
bool is_word(std::string_view text, std::string_view word);
// Takes the word at `at` if it is `word`, with the blanks behind it.
bool take_word(std::string_view sql, std::size_t& at, std::string_view word);
// Behind the identifier at `at`; `name` is it as PostgreSQL folds it, empty when there is none.
std::size_t read_name(std::string_view sql, std::size_t at, std::string& name);
// Behind the token at `at`, which is no blank.
std::size_t next_token(std::string_view sql, std::size_t at);
// Where the statement ends: at its semicolon, or at the end of the text.
std::size_t statement_end(std::string_view sql, std::size_t at);

}  // namespace pgweir::policy::words
