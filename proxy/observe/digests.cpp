#include "proxy/observe/digests.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "protocol/sql/digest.h"

namespace pgweir {
namespace {

constexpr std::size_t cache_lines = 1024;           // a power of two
constexpr std::size_t cached_statement_max = 2048;  // bytes; longer ones are read each time
constexpr std::uint8_t uses_max = 63;

}  // namespace

DigestStats& DigestStats::operator+=(const DigestStats& other) {
  if (other.calls == 0) return *this;
  if (calls == 0 || other.first_seen < first_seen) first_seen = other.first_seen;
  if (other.errors > 0 && (errors == 0 || other.last_seen > last_seen))
    last_sqlstate = other.last_sqlstate;
  last_seen = std::max(last_seen, other.last_seen);
  calls += other.calls, errors += other.errors, rows += other.rows;
  bytes_in += other.bytes_in, bytes_out += other.bytes_out;
  total += other.total;
  for (std::size_t i = 0; i < time_parts; ++i) parts[i] += other.parts[i];
  if (other.longest.took > longest.took) longest = other.longest;
  return *this;
}

DigestTable::DigestTable(std::size_t entries_max, std::size_t bytes_max)
    : entries_max_(std::max<std::size_t>(1, entries_max)),
      bytes_max_(bytes_max),
      cache_(cache_lines) {}

DigestTable::~DigestTable() = default;

// Few databases and users, many statements: a worker asks once for each pair and keeps the answer.
DigestTable::Origin DigestTable::origin(const std::string& database, const std::string& user) {
  const auto found = std::find(origins_.begin(), origins_.end(), std::pair(database, user));
  if (found != origins_.end()) return static_cast<Origin>(found - origins_.begin());
  origins_.emplace_back(database, user);
  return static_cast<Origin>(origins_.size() - 1);
}

DigestTable::Ref DigestTable::find(std::string_view statement, bool cut, Origin origin,
                                   WallTime now) {
  if (statement.size() > cached_statement_max || cut)
    return find_class(statement, cut, origin, now);
  const std::uint64_t hash = sql::hash(statement, origin);
  Cached& line = cache_[hash & (cache_lines - 1)];
  if (line.hash == hash && line.origin == origin && line.statement == statement && live(line.ref))
    return line.ref;
  const Ref ref = find_class(statement, cut, origin, now);
  line.statement.assign(statement);
  line.hash = hash, line.origin = origin, line.ref = ref;
  return ref;
}

std::uint64_t DigestTable::key_of(std::uint64_t id, Origin origin) const {
  return id + 0x9e3779b97f4a7c15ull * origin;
}

DigestTable::Ref DigestTable::find_class(std::string_view statement, bool cut, Origin origin,
                                         WallTime now) {
  const std::uint64_t id = sql::digest(statement, scratch_, cut);
  const std::uint64_t key = key_of(id, origin);
  const auto [first, last] = by_key_.equal_range(key);
  for (auto at = first; at != last; ++at) {
    const Slot& slot = slots_[at->second];
    if (slot.id == id && slot.origin == origin && *slot.text == scratch_)
      return {at->second, slot.generation};
  }
  return make(key, id, origin, now);
}

DigestTable::Ref DigestTable::make(std::uint64_t key, std::uint64_t id, Origin origin,
                                   WallTime now) {
  while (used_ > 0 && (used_ >= entries_max_ || bytes_ + scratch_.size() > bytes_max_)) evict_one();
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  Slot& slot = slots_[number];
  slot.id = id;
  slot.origin = origin;
  slot.text = std::make_shared<const std::string>(scratch_);
  slot.stats = {};
  slot.before = {};
  slot.stats.first_seen = slot.stats.last_seen = now;
  slot.uses = 1;
  by_key_.emplace(key, number);
  ++used_;
  recount(slot);
  return {number, slot.generation};
}

void DigestTable::recount(Slot& slot) {
  std::size_t bytes = sizeof(Slot) + slot.text->capacity() + slot.stats.longest.who.capacity() +
                      slot.stats.total.bytes();
  for (const Spread& part : slot.stats.parts) bytes += part.bytes();
  bytes_ += bytes - slot.bytes;
  slot.bytes = bytes;
}

void DigestTable::evict_one() {
  for (;; hand_ = (hand_ + 1) % slots_.size()) {
    Slot& slot = slots_[hand_];
    if (!slot.text) continue;
    slot.uses = static_cast<std::uint8_t>(slot.uses / 2);
    if (slot.uses == 0) break;
  }
  release(static_cast<std::uint32_t>(hand_));
  ++evicted_;
}

void DigestTable::release(std::uint32_t number) {
  Slot& slot = slots_[number];
  const auto [first, last] = by_key_.equal_range(key_of(slot.id, slot.origin));
  by_key_.erase(
      std::find_if(first, last, [&](const auto& entry) { return entry.second == number; }));
  bytes_ -= slot.bytes;
  --used_;
  const std::uint32_t generation = slot.generation + 1;
  slot = {};
  slot.generation = generation;
  free_.push_back(number);
}

void DigestTable::add(Ref ref, const Execution& run) {
  if (!live(ref)) return;
  Slot& slot = slots_[ref.slot];
  DigestStats& stats = slot.stats;
  if (slot.uses < uses_max) ++slot.uses;
  ++stats.calls;
  stats.rows += run.rows, stats.bytes_in += run.bytes_in, stats.bytes_out += run.bytes_out;
  if (!run.sqlstate.empty()) {
    ++stats.errors;
    stats.last_sqlstate = {};
    run.sqlstate.copy(stats.last_sqlstate.data(), stats.last_sqlstate.size() - 1);
  }
  const Duration took = run.total();
  stats.total.add(took);
  const Duration values[] = {run.queue, run.server, run.stream, run.client};
  for (std::size_t i = 0; i < std::size(values); ++i) stats.parts[i].add(values[i]);
  stats.last_seen = run.at;
  if (took > stats.longest.took) {
    stats.longest.who.assign(run.who);
    stats.longest.server_pid = run.server_pid;
    stats.longest.at = run.at;
    stats.longest.took = took;
    recount(slot);
  }
}

void DigestTable::add_idle(Ref ref, Duration idle) {
  if (live(ref)) slots_[ref.slot].stats.parts[static_cast<std::size_t>(TimePart::idle)].add(idle);
}

const std::shared_ptr<const std::string>* DigestTable::text(Ref ref) const {
  return live(ref) ? &slots_[ref.slot].text : nullptr;
}

void DigestTable::clear() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].text) release(i);
  }
  evicted_ = 0;
  windows_.clear();
}

void DigestTable::resize(std::size_t entries_max, std::size_t bytes_max) {
  entries_max_ = std::max<std::size_t>(1, entries_max);
  bytes_max_ = bytes_max;
  while (used_ > 0 && (used_ > entries_max_ || bytes_ > bytes_max_)) evict_one();
}

std::vector<DigestRow> DigestTable::copy() const {
  std::vector<DigestRow> rows;
  rows.reserve(used_);
  for (const Slot& slot : slots_) {
    if (!slot.text || slot.stats.calls == 0) continue;
    const auto& [database, user] = origins_[slot.origin];
    rows.push_back({slot.id, slot.text, database, user, slot.stats, {}});
  }
  return rows;
}

std::vector<std::uint64_t> DigestTable::top(Measure measure, std::size_t limit) const {
  std::vector<std::pair<double, std::uint64_t>> ranks;
  ranks.reserve(used_);
  for (const Slot& slot : slots_) {
    if (slot.text && slot.stats.calls > 0) ranks.emplace_back(-measure(slot.stats), slot.id);
  }
  const auto end = ranks.begin() + static_cast<std::ptrdiff_t>(std::min(limit, ranks.size()));
  std::partial_sort(ranks.begin(), end, ranks.end());
  std::vector<std::uint64_t> ids;
  for (auto at = ranks.begin(); at != end; ++at) ids.push_back(at->second);
  return ids;
}

std::vector<DigestRow> DigestTable::copy(const std::vector<std::uint64_t>& ids) const {
  std::vector<DigestRow> rows;
  for (const Slot& slot : slots_) {
    if (!slot.text || slot.stats.calls == 0 || !std::binary_search(ids.begin(), ids.end(), slot.id)) continue;
    const auto& [database, user] = origins_[slot.origin];
    rows.push_back({slot.id, slot.text, database, user, slot.stats, {}});
  }
  return rows;
}

namespace {

// Workers' windows begin at the same times of day.
void add_windows(std::vector<WindowShare>& to, const std::vector<WindowShare>& from) {
  for (const WindowShare& share : from) {
    const auto same = std::find_if(to.begin(), to.end(), [&](const WindowShare& other) { return other.from == share.from; });
    if (same == to.end()) {
      to.push_back(share);
      continue;
    }
    same->until = std::max(same->until, share.until);
    same->calls += share.calls, same->errors += share.errors, same->rows += share.rows;
    same->total_ms += share.total_ms;
    for (std::size_t i = 0; i < time_parts; ++i) same->parts_ms[i] += share.parts_ms[i];
  }
  std::sort(to.begin(), to.end(), [](const WindowShare& a, const WindowShare& b) { return a.from < b.from; });
}

}  // namespace

std::vector<DigestRow> merge(std::vector<std::vector<DigestRow>> tables) {
  std::vector<DigestRow> merged;
  std::map<std::tuple<std::uint64_t, std::string_view, std::string_view, std::string_view>,
           std::size_t>
      places;
  std::size_t rows = 0;
  for (const auto& table : tables) rows += table.size();
  merged.reserve(rows);  // the keys point into it
  for (auto& table : tables) {
    for (DigestRow& row : table) {
      const auto found = places.find({row.id, *row.text, row.database, row.user});
      if (found != places.end()) {
        merged[found->second].stats += row.stats;
        add_windows(merged[found->second].windows, row.windows);
        continue;
      }
      merged.push_back(std::move(row));
      const DigestRow& kept = merged.back();
      places.emplace(std::tuple(kept.id, std::string_view(*kept.text),
                                std::string_view(kept.database), std::string_view(kept.user)),
                     merged.size() - 1);
    }
  }
  return merged;
}

}  // namespace pgweir
