#include "protocol/sql/digest.h"

#include <array>

#include "protocol/sql/keywords.h"
#include "protocol/sql/level.h"
#include "protocol/sql/lexer.h"

namespace pgweir::sql {
namespace {

class Writer {
 public:
  Writer(std::string& text, std::vector<std::string_view>* values) : text_(text), values_(values) { text_.clear(); }
  void take(const Token& token);
  void cut_off();
  std::uint64_t finish();

 private:
  void word(const Token& token);
  void quoted(const Token& token);
  void string(const Token& token);
  void number(const Token& token);
  void symbol(const Token& token);
  void open(char bracket);
  void close(char bracket);
  void comma();
  void semicolon();
  void space();
  void put(std::string_view what) { text_.append(what); }
  void put_placeholder() { space(), text_.push_back(placeholder); }
  bool number_counts();
  void settle_negative(const Token& token);
  bool sign_before(const Token& token) const;
  Level& level() { return levels_[depth_ < depth_max ? depth_ : depth_max]; }
  bool fold_member(Level& list, std::size_t from);
  void begin_statement(Keyword first);
  void take_name();
  bool stands_before_name(Keyword keyword) const;

  void note_value(const Token& token) { if (values_) values_->push_back(token.text); }

  std::string& text_;
  std::vector<std::string_view>* values_;
  std::array<Level, depth_max + 1>
      levels_;  // the last one serves all that is deeper, and never folds
  std::size_t depth_ = 0;
  std::uint64_t secret_ = 0;      // hash of literals that count but are not shown
  bool fresh_ = true;             // at the start of a statement
  bool folding_ = false;          // literals of this statement are placeholders and no more
  bool sealed_ = false;           // CREATE: its body may hold semicolons
  bool explain_ = false;          // the last word was EXPLAIN
  Keyword first_ = Keyword::none;  // the statement's first word
  bool name_next_ = false;        // the next word is a made-up name
  bool name_after_from_ = false;  // FETCH, MOVE
  bool name_after_to_ = false;    // ROLLBACK
  bool row_closed_ = false;       // the token before ended a row of a VALUES list
  Token last_, before_last_, third_last_;
  bool type_before_array_ =
      false;  // `:: type ARRAY [` and `AS type ARRAY [`: a bound of a type follows
  Keyword last_word_ = Keyword::none;    // of last_; none if that is no word
  Keyword word_before_ = Keyword::none;  // of before_last_
  bool after_sign_ = false;              // only a sign, and perhaps brackets, before what comes
  bool minus_after_sign_ = false;        // - (-1
  std::size_t minus_at_ = none;          // a minus that may be a sign
  std::size_t negative_at_ = none;       // ... and the number after it
};

void Writer::take(const Token& token) {
  settle_negative(token);
  const bool was_row_closed = row_closed_;
  row_closed_ = false;
  if ((was_row_closed && !token.is(',')) || (last_.is(',') && !token.is('('))) level().rows = false;
  if (token.kind != TokenKind::word && fresh_ && !token.is(';')) {
    begin_statement(token.is('(') ? Keyword::select : Keyword::none);
  }
  row_closed_ = was_row_closed && token.is(',');
  if (explain_) {
    // EXPLAIN (options) has literals that say what it does.
    explain_ = false;
    folding_ = !sealed_ && !token.is('(');
  }
  Keyword keyword = Keyword::none;
  switch (token.kind) {
    case TokenKind::word:
      keyword = find_keyword(token.text);
      if (fresh_)
        begin_statement(keyword);
      else if (name_next_ && stands_before_name(keyword)) {
        // PREPARE TRANSACTION has a text instead of a name; behind the others it comes.
        name_next_ = keyword != Keyword::transaction;
      } else if (name_next_) {
        take_name();
        break;
      }
      word(token);
      if (name_after_from_ && (keyword == Keyword::from || keyword == Keyword::in))
        name_next_ = true;
      if (name_after_to_ && keyword == Keyword::to) name_next_ = true;
      break;
    case TokenKind::quoted:
      quoted(token);
      break;
    case TokenKind::string:
      string(token);
      break;
    case TokenKind::national:
      space(), put("nchar ");
      last_ = {};
      string(token);
      break;
    case TokenKind::number:
      number(token);
      break;
    case TokenKind::parameter:
      put_placeholder();
      break;
    case TokenKind::symbol:
      symbol(token);
      break;
    case TokenKind::cast:
      put("::");
      break;
    case TokenKind::operation:
      if (token.text == "-" && folding_ && (last_.is('(') || last_.is(',') || last_.is('['))) {
        minus_at_ = text_.size();
        minus_after_sign_ = after_sign_;
      }
      space(), put(token.text);
      break;
    case TokenKind::unknown: {
      constexpr char digits[] = "0123456789abcdef";
      space(), put("<");
      for (const char c : token.text) text_ += {digits[(c >> 4) & 15], digits[c & 15]};
      put(">");
      break;
    }
    case TokenKind::end:
      return;
  }
  if (token.cut) put("<no end>");
  after_sign_ = sign_before(token);
  third_last_ = before_last_, before_last_ = last_, last_ = token;
  word_before_ = last_word_, last_word_ = keyword;
}

// A space before what comes, except where people write none. Whatever it does, two token sequences
// never look alike.
void Writer::space() {
  if (text_.empty() || text_.back() == ' ') return;
  if (last_.is('(') || last_.is('[') || last_.is('.') || last_.kind == TokenKind::cast) return;
  text_.push_back(' ');
}

void Writer::begin_statement(Keyword first) {
  fresh_ = false;
  first_ = first;
  folding_ = !sealed_ && folds_literals(first);
  explain_ = first == Keyword::explain;
  sealed_ |= first == Keyword::create;
  name_next_ = first == Keyword::savepoint || first == Keyword::release ||
               first == Keyword::close || first == Keyword::deallocate || first == Keyword::declare ||
               first == Keyword::prepare;
  name_after_from_ = first == Keyword::fetch || first == Keyword::move;
  name_after_to_ = first == Keyword::rollback;
}

// Where a made-up name is to come, a word that is none: each of these may be a name itself, in other statements.
bool Writer::stands_before_name(Keyword keyword) const {
  switch (keyword) {
    case Keyword::all: return true;  // reserved
    case Keyword::prepare: return first_ == Keyword::deallocate;
    case Keyword::savepoint: return first_ == Keyword::release || first_ == Keyword::rollback;
    case Keyword::transaction: return first_ == Keyword::prepare;
    default: return false;
  }
}

void Writer::take_name() {
  name_next_ = name_after_from_ = name_after_to_ = false;
  put_placeholder();
}

void Writer::word(const Token& token) {
  space();
  const std::size_t from = text_.size();
  text_.append(token.text);
  char* const begin = text_.data() + from;
  for (char *at = begin, *const end = begin + token.text.size(); at < end; ++at) {
    const unsigned offset = static_cast<unsigned char>(*at) - unsigned{'A'};
    *at = static_cast<char>(*at | (offset < 26 ? 0x20 : 0));
  }
}

void Writer::quoted(const Token& token) {
  if (name_next_) return take_name();
  space(), put(token.text);
}

void Writer::string(const Token& token) {
  if (last_word_ == Keyword::uescape) {
    // It decides what the identifier before it is.
    space(), put(token.text);
    return;
  }
  if (folding_) note_value(token);
  else secret_ = hash(token.text, secret_ + 1);
  put_placeholder();
}

// A number that is part of a type, or of an expression's shape, and no value.
bool Writer::number_counts() {
  if (last_.is('(')) return shapes_by_number(word_before_);
  if (!last_.is('[')) return false;
  if (word_before_ == Keyword::array) return type_before_array_;
  return !level().bracket_in_list;
}

void Writer::number(const Token& token) {
  if (!folding_ || number_counts()) {
    space(), put(token.text);
    return;
  }
  note_value(token);
  if (last_.kind == TokenKind::operation) negative_at_ = minus_at_;
  space(), text_.push_back(after_sign_ ? signed_placeholder : placeholder);
}

// Whether a number that follows may become one constant with a minus before it, also in brackets.
bool Writer::sign_before(const Token& token) const {
  if (token.is('(')) return after_sign_;
  if (token.kind != TokenKind::operation || token.text != "-") return false;
  const bool operand = last_.is(')') || last_.is(']') || last_.kind == TokenKind::quoted ||
                       (last_.kind >= TokenKind::string && last_.kind <= TokenKind::parameter);
  return !operand;
}

// `-1` is one value where nothing else can bind to it: as a whole member of a list.
void Writer::settle_negative(const Token& token) {
  if (negative_at_ != none && (token.is(',') || token.is(')') || token.is(']'))) {
    text_.resize(negative_at_);
    text_.push_back(minus_after_sign_ ? signed_placeholder : placeholder);
  }
  negative_at_ = none;
  if (token.kind != TokenKind::number) minus_at_ = none;
}

void Writer::symbol(const Token& token) {
  const char c = token.text[0];
  switch (c) {
    case '(':
    case '[':
      return open(c);
    case ')':
    case ']':
      return close(c);
    case ',':
      return comma();
    case ';':
      return semicolon();
    case '.':
      return put(".");
    default:
      space(), put(token.text);
  }
}

void Writer::open(char bracket) {
  const bool tight = last_.kind == TokenKind::word || last_.kind == TokenKind::quoted
                         ? !spaced_before_bracket(last_word_)
                         : false;
  if (bracket == '(' && !tight) space();
  Level next;
  if (folding_ && bracket == '(' && last_word_ == Keyword::in && !level().position)
    next.inside = Inside::in_list;
  if (folding_ && bracket == '(' &&
      (last_word_ == Keyword::values || (last_.is(',') && level().rows))) {
    Level& outer = level();
    if (last_word_ == Keyword::values) outer.last = none;
    if (depth_ < depth_max) {
      outer.rows = true;
      outer.inside = Inside::anything;  // IN (VALUES ...) is a subquery
      outer.member = text_.size();
      next.inside = Inside::row;
    }
  }
  next.bracket_in_list = level().inside == Inside::list && (last_.is('[') || last_.is(','));
  if (folding_ && bracket == '[' && (last_word_ == Keyword::array || next.bracket_in_list))
    next.inside = Inside::list;
  type_before_array_ =
      third_last_.kind == TokenKind::cast || find_keyword(third_last_.text) == Keyword::as;
  next.position = last_word_ == Keyword::position;
  text_.push_back(bracket);
  next.member = text_.size();
  ++depth_;
  if (depth_ < depth_max)
    levels_[depth_] = next;
  else
    levels_[depth_max] = Level{};
}

// The member from `from` on looks like the one before: it is cut off, with what separates them.
bool Writer::fold_member(Level& list, std::size_t from) {
  const std::string_view text = text_;
  // Of an ARRAY only values are folded: how often it names a column is part of what it is.
  const bool folds =
      list.inside != Inside::list || text.substr(from) == std::string_view(&placeholder, 1);
  if (folds && list.last != none &&
      text.substr(list.last, list.last_end - list.last) == text.substr(from)) {
    text_.resize(list.last_end);
    return true;
  }
  list.last = from;
  list.last_end = text_.size();
  return false;
}

void Writer::close(char bracket) {
  Level& here = level();
  const Inside inside = here.inside;
  if (inside == Inside::list || inside == Inside::in_list) {
    fold_member(here, here.member);
    const bool values =
        std::string_view(text_).substr(here.last) == std::string_view(&placeholder, 1);
    if (inside == Inside::in_list && values && text_[here.last - 1] == '(') put(", ...");
  }
  text_.push_back(bracket);
  if (depth_ > 0) --depth_;
  if (inside == Inside::row) {
    Level& outer = level();
    fold_member(outer, outer.member);
    row_closed_ = true;
  }
}

void Writer::comma() {
  Level& here = level();
  if (row_closed_) {
    // Another row may follow; what open() meets decides.
    put(", ");
    here.rows = true;
    row_closed_ = false;
    return;
  }
  if ((here.inside == Inside::list || here.inside == Inside::in_list) && depth_ < depth_max) {
    fold_member(here, here.member);
    put(", ");
    here.member = text_.size();
    return;
  }
  put(", ");
}

void Writer::semicolon() {
  if (depth_ == 0) {
    fresh_ = true;
    levels_[0] = Level{};
    name_next_ = name_after_from_ = name_after_to_ = false;
  }
  put(";");
}

// The statement ends in the middle of something: a list member that is not whole would make each
// cut its own class.
void Writer::cut_off() {
  for (std::size_t i = 0; i <= depth_ && i < depth_max; ++i) {
    const Level& here = levels_[i];
    const bool list = here.inside == Inside::list || here.inside == Inside::in_list;
    if (!here.rows && !list) continue;
    text_.resize(here.last != none ? here.last_end : here.member);
    break;
  }
  put(" <cut>");
}

std::uint64_t Writer::finish() {
  settle_negative({});
  while (!text_.empty() && (text_.back() == ';' || text_.back() == ' ')) text_.pop_back();
  return hash(text_, secret_);
}

}  // namespace

std::uint64_t digest(std::string_view sql, std::string& text, bool cut, std::vector<std::string_view>* values) {
  Lexer lexer(sql);
  Writer writer(text, values);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    writer.take(token);
    if (token.cut && token.kind == TokenKind::unknown) break;
  }
  if (cut) writer.cut_off();
  return writer.finish();
}

}  // namespace pgweir::sql
