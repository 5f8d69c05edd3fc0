// Which statements, of which applications, have done something to their sessions, and what came of it: for SHOW ISOLATION.
// In session mode nothing comes of it; there it tells what would, were this database in transaction mode.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/observe/isolation.h"

namespace pgweir {

struct IsolationRow {
  std::string database, user, application;
  std::uint64_t id = 0;                        // as SHOW QUERIES has it
  std::shared_ptr<const std::string> text;     // normalized
  std::uint64_t runs = 0;
  std::uint64_t kept = 0;                      // what it set follows its client
  std::uint64_t replays = 0;                   // ... and was given to a server again
  std::uint64_t looks = 0;                     // its server was asked what it has done
  std::uint64_t refused = 0;
  std::array<std::uint64_t, pin_reasons> pins{};   // its server stayed with its client

  IsolationRow& operator+=(const IsolationRow& other);   // the counts
};

// Owned by a worker, used on its thread. Only statements that do something to their session come here. Bounded: classes
// beyond rows_max are counted together, in row 0, which has no text.
class IsolationLog {
 public:
  using Ref = std::uint16_t;                   // stays good; 0: those beyond the bound
  static constexpr std::size_t rows_max = 1000, texts_max = 4096;

  IsolationLog() : rows_(1) {}
  // The row of such a statement, one more run of it counted.
  Ref note(std::string_view database, std::string_view user, std::string_view application, std::string_view sql);
  IsolationRow& row(Ref ref) { return rows_[ref]; }
  const std::deque<IsolationRow>& rows() const { return rows_; }
  void clear();                                // the counts; rows and refs stay

 private:
  std::uint64_t id_of(std::string_view sql);

  std::deque<IsolationRow> rows_;
  std::unordered_map<std::uint64_t, Ref> by_key_;            // of who and what
  std::unordered_map<std::uint64_t, std::uint64_t> ids_;     // of whole texts, so that few are read again
  std::string text_;                                         // normalized, of the statement under way
};

}  // namespace pgweir
