#include "proxy/observe/isolation_log.h"

#include "protocol/sql/digest.h"

namespace pgweir {
namespace {

// Of a long text so much is kept.
constexpr std::size_t text_max = 2000;

}  // namespace

IsolationRow& IsolationRow::operator+=(const IsolationRow& other) {
  runs += other.runs, kept += other.kept, replays += other.replays, looks += other.looks, refused += other.refused;
  for (std::size_t i = 0; i < pin_reasons; ++i) pins[i] += other.pins[i];
  return *this;
}

std::uint64_t IsolationLog::id_of(std::string_view sql) {
  const std::uint64_t hash = sql::hash(sql);
  if (const auto known = ids_.find(hash); known != ids_.end()) {
    text_.clear();
    return known->second;
  }
  if (ids_.size() >= texts_max) ids_.clear();
  return ids_[hash] = sql::digest(sql, text_);
}

IsolationLog::Ref IsolationLog::note(std::string_view database, std::string_view user, std::string_view application, std::string_view sql) {
  const std::uint64_t id = id_of(sql);
  const std::uint64_t key = sql::hash(database, sql::hash(user, sql::hash(application, id)));
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    ++rows_[known->second].runs;
    return known->second;
  }
  if (rows_.size() > rows_max) {
    ++rows_[0].runs;
    return 0;
  }
  if (text_.empty()) (void)sql::digest(sql, text_);
  IsolationRow& row = rows_.emplace_back();
  row.database = database, row.user = user, row.application = application, row.id = id;
  row.text = std::make_shared<const std::string>(text_.substr(0, text_max));
  row.runs = 1;
  const auto ref = static_cast<Ref>(rows_.size() - 1);
  by_key_.emplace(key, ref);
  return ref;
}

void IsolationLog::clear() {
  // Those who hold refs go on counting in rows that nobody shows; so few as to matter to nobody.
  for (IsolationRow& row : rows_) {
    row.runs = row.kept = row.replays = row.looks = row.refused = 0;
    row.pins = {};
  }
}

}  // namespace pgweir
