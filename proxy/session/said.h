// What a client's message says, read once for all who ask about it.
#pragma once

#include <optional>
#include <string_view>

#include "protocol/frontend.h"
#include "proxy/policy/prepared/text_facts.h"

namespace pgweir {

// Of the latest piece that was asked about; views into it.
struct Said {
  const std::byte* at = nullptr;            // the piece's bytes; null: none has been read
  std::string_view sql;                     // of a Query or a Parse, as far as it is here
  std::optional<ParseView> parse;           // of a Parse that is all here and well-formed
  std::optional<BindView> bind;
  // The text it is about: `sql`, or where statements are followed that of the statement which a Bind names.
  policy::TextFacts facts;
  enum class Bound : std::uint8_t {
    none,                                   // it is no Bind, or its name means nothing to us
    forgotten,                              // a statement too large to be remembered
    known,
  };
  Bound bound = Bound::none;
  bool bound_plans = false;                 // what is bound may set what statements are planned with
};

}  // namespace pgweir
