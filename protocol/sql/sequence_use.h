// What a statement has to do with the session's memory of sequences: currval() and lastval() tell what this session was
// given last. And setseed(), whose random numbers are the session's as well.
//
// Source: PostgreSQL 15 documentation, "Sequence Manipulation Functions", "Random Functions".
#pragma once

#include <string_view>

namespace pgweir::sql {

struct SequenceUse {
  bool asks = false;       // currval(), lastval()
  bool advances = false;   // nextval(), setval()
  bool seeds = false;      // setseed(), SET SEED
  bool none() const { return !asks && !advances && !seeds; }
};

// As the text says it; what a function does is not in it. Cheap: looks at words before opening brackets only.
SequenceUse sequence_use(std::string_view sql);

// Whether it may give its session a number of a sequence though it names none: a column's default does. May say yes for too
// many.
bool may_advance_sequences(std::string_view sql);

}  // namespace pgweir::sql
