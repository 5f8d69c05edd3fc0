// The replies of the null server, made once.
#pragma once

#include <cstddef>
#include <map>
#include <string_view>

#include "protocol/bytes.h"

namespace pgweir::bench {

// What a statement asks for, as far as the null server understands SQL: by its first word, and the
// size in `repeat('x', N)`.
struct Answer {
  Buffer description;    // RowDescription, or NoData
  Buffer rows;           // DataRow and CommandComplete
  char transaction = 0;  // the status after it: 'I', 'T', or 0 for unchanged
};

// Owned by a thread of the null server. Answers stay where they are as long as this lives.
class CannedAnswers {
 public:
  CannedAnswers();
  // `sql` may be cut off behind the first kilobyte.
  const Answer& answer_to(std::string_view sql);

 private:
  const Answer& result_of(std::size_t bytes);

  Answer begin_, commit_, rollback_, select_, insert_, set_, empty_, discard_, other_;
  std::map<std::size_t, Answer> results_;  // by size
};

// Everything a server says after a StartupMessage: no password, parameters, ReadyForQuery.
Buffer welcome();

}  // namespace pgweir::bench
