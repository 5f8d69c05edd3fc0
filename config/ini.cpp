#include "config/ini.h"

#include <ini.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "config/text.h"

namespace pgweir {

namespace {

// A section header or an entry, as found in a line.
struct Found {
  bool is_section = false;
  IniEntry entry;  // of a section only the key (its name), file and line
};

bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-' || c == '*';
}

// Takes a key off the front of `rest`: plain characters, or anything between quotes (either kind,
// doubled inside).
std::optional<std::string> take_key(std::string_view& rest) {
  std::string key;
  if (!rest.empty() && (rest.front() == '\'' || rest.front() == '"')) {
    const char quote = rest.front();
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (rest[i] == quote && i + 1 < rest.size() && rest[i + 1] == quote) {
        ++i;
      } else if (rest[i] == quote) {
        rest.remove_prefix(i + 1);
        return key;
      }
      key += rest[i];
    }
    return std::nullopt;
  }
  while (!rest.empty() && is_key_char(rest.front())) {
    key += rest.front();
    rest.remove_prefix(1);
  }
  if (key.empty()) return std::nullopt;
  return key;
}

// Takes files apart into sections and entries, following %include.
class Scanner {
 public:
  Scanner(const FileReader& reader, IniFile& out) : reader_(reader), out_(out) {}

  // False when the file cannot be read.
  bool scan_file(const std::string& path, int depth) {
    std::optional<std::string> text = reader_(path);
    if (!text) return false;
    std::string_view rest = *text;
    if (rest.substr(0, 3) == "\xEF\xBB\xBF") rest.remove_prefix(3);
    for (int line = 1; !rest.empty(); ++line) {
      std::string_view here = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(here.size() + 1, rest.size()));
      scan_line(trim(here), path, line, depth);
    }
    return true;
  }

  std::vector<Found>& found() { return found_; }

 private:
  void scan_line(std::string_view text, const std::string& file, int line, int depth) {
    if (text.empty() || text.front() == ';' || text.front() == '#') return;
    if (text.find('\0') != std::string_view::npos) return syntax_error(file, line);
    constexpr std::string_view include = "%include";
    if (text.substr(0, include.size()) == include && text.size() > include.size() &&
        is_blank(text[include.size()])) {
      return follow(std::string(trim(text.substr(include.size()))), file, line, depth);
    }
    if (text.front() == '[') return scan_section(text, file, line, depth);
    std::optional<std::string> key = take_key(text);
    text = trim(text);
    if (!key || text.empty() || text.front() != '=') return syntax_error(file, line);
    found_.push_back({false, {*key, std::string(trim(text.substr(1))), file, line}});
  }

  // What follows the bracket is read as a line of its own: `[users] ; comment` is usual.
  void scan_section(std::string_view text, const std::string& file, int line, int depth) {
    auto end = text.find(']');
    if (end == std::string_view::npos) return syntax_error(file, line);
    found_.push_back({true, {std::string(text.substr(1, end - 1)), "", file, line}});
    scan_line(trim(text.substr(end + 1)), file, line, depth);
  }

  void follow(const std::string& path, const std::string& file, int line, int depth) {
    // A file that includes itself twice would be read a thousand times: the first chain that gets
    // too deep ends all including.
    if (too_deep_) return;
    if (depth >= include_depth_max) {
      too_deep_ = true;
      out_.mistakes.push_back({file, line,
                               concat({"include nesting level too deep (", path,
                                       "), max=", std::to_string(include_depth_max)})});
    } else if (!scan_file(path, depth + 1)) {
      out_.mistakes.push_back({file, line, concat({"cannot read included file ", path})});
    }
  }

  void syntax_error(const std::string& file, int line) {
    out_.mistakes.push_back({file, line,
                             concat({"syntax error in configuration (", file, ":",
                                     std::to_string(line), "), stopping loading"})});
  }

  const FileReader& reader_;
  IniFile& out_;
  std::vector<Found> found_;
  bool too_deep_ = false;
};

// Both ends of inih: it reads tokens that stand for what was found, and calls back with them.
class Tokens {
 public:
  Tokens(std::vector<Found> found, IniFile& out) : found_(std::move(found)), out_(out) {}

  void feed() {
    if (ini_parse_stream(&Tokens::give_line, this, &Tokens::take_pair, this) != 0) {
      out_.mistakes.push_back({"", 0, "inih cannot read the configuration"});
    }
  }

 private:
  // `[section]` and `section = N` for a header, so that an empty section is seen as well;
  // `entry = N` for an entry.
  static char* give_line(char* buffer, int size, void* self) {
    auto& tokens = *static_cast<Tokens*>(self);
    if (tokens.next_ == tokens.found_.size()) return nullptr;
    const bool is_section = tokens.found_[tokens.next_].is_section;
    if (is_section && !tokens.header_given_) {
      tokens.header_given_ = true;
      std::snprintf(buffer, static_cast<std::size_t>(size), "[section]\n");
      return buffer;
    }
    std::snprintf(buffer, static_cast<std::size_t>(size), "%s = %zu\n",
                  is_section ? "section" : "entry", tokens.next_);
    tokens.header_given_ = false;
    ++tokens.next_;
    return buffer;
  }

  static int take_pair(void* self, const char* section, const char* name, const char* value) {
    auto& tokens = *static_cast<Tokens*>(self);
    const std::size_t index = std::strtoull(value, nullptr, 10);
    if (index >= tokens.found_.size()) return 0;
    IniEntry& entry = tokens.found_[index].entry;
    auto& sections = tokens.out_.sections;
    if (*section == '\0') {
      tokens.out_.mistakes.push_back({entry.file, entry.line,
                                      concat({"syntax error in configuration (", entry.file, ":",
                                              std::to_string(entry.line), "), stopping loading"})});
    } else if (std::strcmp(name, "section") == 0) {
      sections.push_back({std::move(entry.key), std::move(entry.file), entry.line, {}});
    } else {
      sections.back().entries.push_back(std::move(entry));
    }
    return 1;
  }

  std::vector<Found> found_;
  IniFile& out_;
  std::size_t next_ = 0;
  bool header_given_ = false;
};

}  // namespace

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream content;
  // A folder opens but does not read. An empty file sets failbit on `content` and is no error.
  if (file.peek() != std::ifstream::traits_type::eof()) content << file.rdbuf();
  if (file.bad()) return std::nullopt;
  return std::move(content).str();
}

IniFile read_ini(const std::string& path, const FileReader& reader) {
  IniFile out;
  Scanner scanner(reader, out);
  if (!scanner.scan_file(path, 0)) {
    out.mistakes.push_back({path, 0, concat({"cannot read configuration file ", path})});
    return out;
  }
  Tokens(std::move(scanner.found()), out).feed();
  return out;
}

}  // namespace pgweir
