#include "config/hba_tokens.h"

#include <algorithm>
#include <utility>

#include "config/text.h"

namespace pgweir {
namespace {

// A file of a list is relative to the file that names it.
std::string beside(const std::string& file, const std::string& name) {
  if (name.starts_with('/')) return name;
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? name : file.substr(0, slash + 1) + name;
}

class Reader {
 public:
  Reader(const FileReader& reader, Mistakes& mistakes) : reader_(reader), mistakes_(mistakes) {}

  void read(const std::string& path, int depth, std::vector<HbaLine>& lines) {
    const auto text = reader_(path);
    if (!text) return complain(path, 0, concat({"could not open ", path}));
    std::string_view rest = *text;
    for (int number = 1; !rest.empty(); ++number) {
      const int first = number;
      std::string line;
      bool more = true;
      while (more) {
        std::string_view part = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        if (part.ends_with('\r')) part.remove_suffix(1);
        more = part.ends_with('\\') && !rest.empty();
        if (part.ends_with('\\')) part.remove_suffix(1);
        line += part;
        number += more;
      }
      take_line(line, {{}, path, first}, depth, lines);
    }
  }

 private:
  void take_line(std::string_view text, HbaLine line, int depth, std::vector<HbaLine>& lines) {
    if (!split(text, line, depth) || line.fields.empty()) return;
    const HbaToken& word = line.fields[0][0];
    const bool optional = word.text == "include_if_exists";
    if (word.quoted || (!optional && word.text != "include")) {
      lines.push_back(std::move(line));
      return;
    }
    if (line.fields.size() != 2)
      return complain(line.file, line.line,
                      concat({"syntax error: ", word.text, " wants one file name"}));
    if (depth >= hba_include_depth_max)
      return complain(line.file, line.line, "include nesting too deep");
    const std::string path = beside(line.file, line.fields[1][0].text);
    if (!optional || reader_(path)) read(path, depth + 1, lines);
  }

  bool split(std::string_view text, HbaLine& line, int depth) {
    HbaField field;
    while (true) {
      while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
      if (text.empty() || text.front() == '#') break;
      bool comma = false;
      auto token = take_token(text, line, comma);
      if (!token) return false;
      if (!add(std::move(*token), field, line, depth)) return false;
      while (comma && !text.empty() && is_blank(text.front())) text.remove_prefix(1);
      if (comma) continue;
      line.fields.push_back(std::exchange(field, {}));
    }
    if (!field.empty()) line.fields.push_back(std::move(field));
    return true;
  }

  std::optional<HbaToken> take_token(std::string_view& text, const HbaLine& line, bool& comma) {
    HbaToken token;
    token.quoted = text.front() == '"';
    bool inside = false;
    for (std::size_t i = 0;; ++i) {
      const bool end = i == text.size();
      if (end && inside) {
        complain(line.file, line.line, "syntax error: unterminated quoted string");
        return std::nullopt;
      }
      if (end || (!inside && (is_blank(text[i]) || text[i] == ',' || text[i] == '#'))) {
        comma = !end && text[i] == ',';
        text.remove_prefix(std::min(i + comma, text.size()));
        return token;
      }
      if (text[i] == '"' && inside && i + 1 < text.size() && text[i + 1] == '"')
        token.text += text[i++];
      else if (text[i] == '"')
        inside = !inside;
      else
        token.text += text[i];
    }
  }

  // `@file` stands for the words in that file.
  bool add(HbaToken token, HbaField& field, const HbaLine& line, int depth) {
    if (token.quoted || token.text.size() < 2 || token.text[0] != '@') {
      field.push_back(std::move(token));
      return true;
    }
    if (depth >= hba_include_depth_max) {
      complain(line.file, line.line, "include nesting too deep");
      return false;
    }
    const std::string path = beside(line.file, token.text.substr(1));
    const auto text = reader_(path);
    if (!text) {
      complain(line.file, line.line, concat({"could not open file ", path}));
      return false;
    }
    std::string_view rest = *text;
    for (int number = 1; !rest.empty(); ++number) {
      std::string_view part = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(part.size() + 1, rest.size()));
      HbaLine words{{}, path, number};
      if (!split(part, words, depth + 1)) return false;
      for (HbaField& more : words.fields)
        for (HbaToken& word : more) field.push_back(std::move(word));
    }
    return true;
  }

  void complain(const std::string& file, int line, std::string text) {
    mistakes_.push_back({file, line, std::move(text), true});
  }

  const FileReader& reader_;
  Mistakes& mistakes_;
};

}  // namespace

std::vector<HbaLine> read_hba_lines(const std::string& path, const FileReader& reader,
                                    Mistakes& mistakes) {
  std::vector<HbaLine> lines;
  Reader(reader, mistakes).read(path, 0, lines);
  // A list that only names empty files is a field without a word.
  std::erase_if(lines, [&](const HbaLine& line) {
    return std::any_of(line.fields.begin(), line.fields.end(),
                       [](const HbaField& f) { return f.empty(); });
  });
  return lines;
}

}  // namespace pgweir
