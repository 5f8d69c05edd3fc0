// What a worker asks of every text before it lets it pass. Each question is a look over the text; most texts come again,
// so that the latest answers are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::policy {

struct TextFacts {
  bool affects_session : 1 = false;      // sql::may_affect_session()
  bool resets : 1 = false;               // sql::may_reset()
  bool touches_statements : 1 = false;   // policy::touches_statements()
  bool vacates_database : 1 = false;     // sql::database_to_be_vacant()
  bool asks_sequences : 1 = false;       // sql::sequence_use()
  bool advances_sequences : 1 = false;
  bool seeds_random : 1 = false;
};

TextFacts facts_of(std::string_view sql);

// Owned by a worker, used on its thread. Compares whole texts, never only hashes. In steady state it allocates nothing.
class KnownTexts {
 public:
  static constexpr std::size_t lines = 512;           // a power of two
  static constexpr std::size_t text_bytes_max = 1024; // longer ones are read each time
  KnownTexts() : lines_(lines) {}
  TextFacts of(std::string_view sql);
  std::uint64_t misses() const { return misses_; }    // texts that were read

 private:
  struct Line {
    std::string text;
    std::uint64_t hash = 0;               // 0: nothing is known here
    TextFacts facts;
  };
  std::vector<Line> lines_;
  std::uint64_t misses_ = 0;
};

}  // namespace pgweir::policy
