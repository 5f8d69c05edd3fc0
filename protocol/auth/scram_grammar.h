// The attributes of SCRAM messages, `letter=value` between commas. Source: RFC 5802, section 7.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace pgweir {

inline constexpr std::size_t scram_nonce_bytes_max = 1024;  // of one side, or of both together
inline constexpr std::size_t scram_message_bytes_max = 4096;

// Takes attributes off the front of a message that somebody else owns. A failure is for good.
class ScramAttributes {
 public:
  explicit ScramAttributes(std::string_view message) : left_(message) {}

  // The value of the next attribute, which has to be `letter`.
  std::optional<std::string_view> take(char letter);
  // Skips what a later version of SCRAM may have added; each must look like an attribute. False
  // when one does not.
  bool skip_rest();
  bool at_end() const { return !more_; }

 private:
  struct Attribute {
    char letter;
    std::string_view value;
  };
  std::optional<Attribute> next();

  std::string_view left_;
  bool more_ = true;  // `left_` begins with an attribute, not with the message's end
};

// One or more printable ASCII characters but commas, at most scram_nonce_bytes_max.
bool is_scram_nonce(std::string_view text);

// Whether a message may be looked at: not empty, not too long, no zero byte.
bool is_scram_message(std::string_view text);

}  // namespace pgweir
