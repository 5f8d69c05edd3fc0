#include "proxy/observe/digests.h"

#include <algorithm>

#include "protocol/sql/comment_tags.h"
#include "protocol/sql/digest.h"

namespace pgweir {
namespace {

constexpr std::size_t cache_lines = 1024, known_lines = 512;  // powers of two
constexpr std::size_t cached_statement_max = 2048;  // bytes; longer ones are read each time
constexpr std::uint8_t uses_max = 63;
constexpr std::size_t sample_bytes_max = 1024;  // of a statement, and of its values
constexpr std::size_t newcomers_per_resident = 16;
constexpr double quick_ms = 10;
// Beside a slot: its key in the index, the counts of a shared text.
constexpr std::size_t entry_overhead = 80;

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

void DigestStats::reset() {
  calls = errors = rows = bytes_in = bytes_out = 0;
  last_sqlstate = {};
  total.reset();
  for (Spread& part : parts) part.reset();
  first_seen = last_seen = longest.at = {};
  longest.who.clear(), longest.tags.clear(), longest.statement.clear(), longest.values.clear();
  longest.server_pid = 0;
  longest.took = {};
}

std::size_t DigestStats::bytes() const {
  std::size_t sum = total.bytes() + longest.bytes();
  for (const Spread& part : parts) sum += part.bytes();
  return sum;
}

DigestTable::DigestTable(std::size_t entries_max, std::size_t bytes_max) : cache_(cache_lines), known_(known_lines) { resize(entries_max, bytes_max); }

DigestTable::~DigestTable() = default;

// A worker asks once for each route, or once for each client where applications count, and keeps the answer.
DigestTable::Origin DigestTable::origin(const std::string& database, const std::string& user, const std::string& application) {
  std::tuple names(database, user, application);
  auto found = origins_.find(names);
  if (found == origins_.end() && !application.empty() && origins_.size() >= applications_max) {
    std::get<2>(names) = "(others)";
    found = origins_.find(names);
  }
  if (found != origins_.end()) return found->second;
  found = origins_.emplace(std::move(names), static_cast<Origin>(origin_names_.size())).first;
  origin_names_.push_back(&found->first);
  return found->second;
}

DigestTable::Ref DigestTable::find(std::string_view statement, bool cut, Origin origin,
                                   WallTime now) {
  if (statement.size() > cached_max_ || cut) {
    bool made = false;
    return find_class(statement, cut, origin, now, made);
  }
  // Most come again as they were: that is the quickest to tell.
  const std::uint64_t hash = sql::hash(statement, origin);
  Known& line = known_[hash & (known_lines - 1)];
  if (line.hash == hash && line.origin == origin && line.statement == statement && live(line.ref)) return line.ref;
  const Ref ref = find_alike(statement, origin, now);
  cache_bytes_ -= line.statement.capacity();
  line.statement.assign(statement);
  cache_bytes_ += line.statement.capacity();
  line.hash = hash, line.origin = origin, line.ref = ref;
  return ref;
}

DigestTable::Ref DigestTable::find_alike(std::string_view statement, Origin origin, WallTime now) {
  const std::uint64_t hash = sql::skeleton(statement, origin);
  Cached& line = cache_[hash & (cache_lines - 1)];
  if (line.hash == hash && line.origin == origin && live(line.ref) && line.pattern.fits(statement)) return line.ref;
  bool made = false;
  const Ref ref = find_class(statement, false, origin, now, made);
  // Most classes that are new are seen once only, where programs make them up: the cache is for those that come back.
  if (made) return ref;
  cache_bytes_ -= line.pattern.bytes();
  line.pattern.assign(statement, values_);
  cache_bytes_ += line.pattern.bytes();
  line.hash = hash, line.origin = origin, line.ref = ref;
  return ref;
}

std::uint64_t DigestTable::key_of(std::uint64_t id, Origin origin) const {
  return id + 0x9e3779b97f4a7c15ull * origin;
}

DigestTable::Ref DigestTable::find_class(std::string_view statement, bool cut, Origin origin,
                                         WallTime now, bool& made) {
  values_.clear();
  const std::uint64_t id = sql::digest(statement, scratch_, cut, &values_);
  const std::uint64_t key = key_of(id, origin);
  for (auto at = by_key_.first(key); at != SlotIndex::none; at = by_key_.next(at)) {
    const Slot& slot = slots_[at];
    if (slot.id == id && slot.origin == origin && *slot.text == scratch_) return {at, slot.generation};
  }
  made = true;
  return make(key, id, origin, now);
}

DigestTable::Ref DigestTable::make(std::uint64_t key, std::uint64_t id, Origin origin,
                                   WallTime now) {
  const std::size_t wanted = sizeof(Slot) + scratch_.size() + entry_overhead;
  while (used_ > 0 && bytes_ + cache_bytes_ + wanted > bytes_max_) evict_one(false);
  if (used_ >= entries_max_) evict_one(true);
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  Slot& slot = slots_[number];
  slot.used = true;
  slot.id = id;
  slot.origin = origin;
  // The text may be in somebody's answer still.
  if (slot.text && slot.text.use_count() == 1) slot.text->assign(scratch_);
  else slot.text = std::make_shared<std::string>(scratch_);
  slot.stats.first_seen = slot.stats.last_seen = now;
  slot.window = window_number_;
  slot.uses = 1;
  by_key_.add(key, number);
  ++used_;
  recount(slot);
  return newcomers_[next_newcomer_++ % newcomers_max] = {number, slot.generation};
}

void DigestTable::recount(Slot& slot) {
  const std::size_t bytes = sizeof(Slot) + entry_overhead + slot.text->capacity() + slot.stats.bytes() +
                            (slot.before ? sizeof(WindowShare) : 0);
  bytes_ += bytes - slot.bytes;
  slot.bytes = bytes;
}

// Not those that took their time, and now and then a newcomer stays: what is used every thousandth time is found by the clock.
bool DigestTable::makes_room_first(Ref newcomer) const {
  if (!live(newcomer) || next_newcomer_ % newcomers_per_resident == 0) return false;
  const DigestStats& stats = slots_[newcomer.slot].stats;
  return stats.calls <= 1 && stats.total.max_ms() < quick_ms;
}

void DigestTable::evict_one(bool keep_memory) {
  ++evicted_;
  const Ref oldest = newcomers_[next_newcomer_ % newcomers_max];
  if (makes_room_first(oldest)) return release(oldest.slot, keep_memory);
  for (;; hand_ = (hand_ + 1) % slots_.size()) {
    Slot& slot = slots_[hand_];
    if (!slot.used) continue;
    slot.uses = static_cast<std::uint8_t>(slot.uses / 2);
    if (slot.uses == 0) break;
  }
  release(static_cast<std::uint32_t>(hand_), keep_memory);
}

// `keep_memory`: the next one is about to take its place.
void DigestTable::release(std::uint32_t number, bool keep_memory) {
  Slot& slot = slots_[number];
  keep(slot);
  by_key_.remove(number);
  bytes_ -= slot.bytes;
  --used_;
  ++slot.generation;
  slot.used = false;
  slot.bytes = 0;
  slot.before.reset();
  if (keep_memory) {
    slot.stats.reset();
  } else {
    slot.stats = {};
    slot.text.reset();
  }
  free_.push_back(number);
}

void DigestTable::take_sample(DigestSample& sample, const Execution& run) {
  sample.who.assign(run.who);
  sample.server_pid = run.server_pid;
  sample.at = run.at;
  sample.took = run.total();
  sample.tags = sql::comment_tag_list(run.statement);
  sample.statement.assign(run.show_values ? run.statement.substr(0, sample_bytes_max) : std::string_view());
  sample.values.assign(run.show_values ? run.values.substr(0, sample_bytes_max) : std::string_view());
}

void DigestTable::add(Ref ref, const Execution& run) {
  if (!live(ref)) return;
  Slot& slot = slots_[ref.slot];
  if (slot.window != window_number_ && !windows_.empty()) roll(slot);
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
  bool grown = stats.total.add(took);
  const Duration values[] = {run.queue, run.state, run.server, run.stream, run.client};
  for (std::size_t i = 0; i < std::size(values); ++i) grown |= stats.parts[i].add(values[i]);
  stats.last_seen = run.at;
  if (took > stats.longest.took) {
    take_sample(stats.longest, run);
    grown = true;
  }
  if (grown) recount(slot);
}

void DigestTable::add_idle(Ref ref, Duration idle) {
  if (!live(ref)) return;
  Slot& slot = slots_[ref.slot];
  if (slot.window != window_number_ && !windows_.empty()) roll(slot);
  if (slot.stats.parts[static_cast<std::size_t>(TimePart::idle)].add(idle)) recount(slot);
}

std::shared_ptr<const std::string> DigestTable::text(Ref ref) const {
  return live(ref) ? slots_[ref.slot].text : nullptr;
}

void DigestTable::clear() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].used) release(i, false);
  }
  evicted_ = 0;
  if (!windows_.empty()) windows_.erase(windows_.begin(), windows_.end() - 1);
  for (Window& window : windows_) window.entries.clear();
}

void DigestTable::resize(std::size_t entries_max, std::size_t bytes_max) {
  entries_max_ = std::max<std::size_t>(1, entries_max);
  bytes_max_ = bytes_max;
  by_key_.reserve(std::min(entries_max_, bytes_max_ / sizeof(Slot)));
  // The cache takes a quarter at most.
  cached_max_ = std::min(cached_statement_max, bytes_max / 4 / (cache_lines + known_lines));
  while (used_ > 0 && (used_ > entries_max_ || bytes_ + cache_bytes_ > bytes_max_)) evict_one(false);
}

// --- reading

DigestRow DigestTable::row_of(const Slot& slot) const {
  const auto& [database, user, application] = *origin_names_[slot.origin];
  return {slot.id, slot.text, database, user, application, slot.stats, {}};
}

std::vector<DigestRow> DigestTable::copy() const {
  std::vector<DigestRow> rows;
  for (const Slot& slot : slots_) {
    if (slot.used && slot.stats.calls > 0) rows.push_back(row_of(slot));
  }
  return rows;
}

bool DigestTable::rank(Ranking& ranking) const {
  const std::size_t end = std::min(slots_.size(), ranking.next + slice);
  auto& ranks = ranking.ranks;
  for (std::size_t i = ranking.next; i < end; ++i) {
    const Slot& slot = slots_[i];
    if (!slot.used || slot.stats.calls == 0 || ranking.limit == 0) continue;
    ranks.emplace_back(ranking.measure(slot.stats), slot.id);
    std::push_heap(ranks.begin(), ranks.end(), std::greater<>());
    if (ranks.size() <= ranking.limit) continue;
    std::pop_heap(ranks.begin(), ranks.end(), std::greater<>());
    ranks.pop_back();
  }
  ranking.next = end;
  return end == slots_.size();
}

std::vector<std::uint64_t> DigestTable::Ranking::ids() const {
  auto sorted = ranks;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  std::vector<std::uint64_t> result;
  for (const auto& [value, id] : sorted) result.push_back(id);
  return result;
}

bool DigestTable::select(Selection& selection) const {
  const std::size_t end = std::min(slots_.size(), selection.next + slice);
  for (std::size_t i = selection.next; i < end; ++i) {
    const Slot& slot = slots_[i];
    if (!slot.used || slot.stats.calls == 0 || !std::binary_search(selection.ids.begin(), selection.ids.end(), slot.id)) continue;
    selection.rows.push_back(row_of(slot));
    if (selection.windows) selection.rows.back().windows = windows(slot.id, slot.origin);
  }
  selection.next = end;
  return end == slots_.size();
}

namespace {

// Workers' windows begin at the same times of day, and a class that has made room and come back has two shares of one.
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
  using Key = std::tuple<std::uint64_t, std::string_view, std::string_view, std::string_view, std::string_view>;
  std::map<Key, std::size_t> places;
  std::size_t rows = 0;
  for (const auto& table : tables) rows += table.size();
  merged.reserve(rows);  // the keys point into it
  for (auto& table : tables) {
    for (DigestRow& row : table) {
      const auto found = places.find({row.id, *row.text, row.database, row.user, row.application});
      if (found != places.end()) {
        merged[found->second].stats += row.stats;
        add_windows(merged[found->second].windows, row.windows);
        continue;
      }
      const std::vector<WindowShare> windows = std::exchange(row.windows, {});
      merged.push_back(std::move(row));
      DigestRow& kept = merged.back();
      add_windows(kept.windows, windows);
      places.emplace(Key(kept.id, *kept.text, kept.database, kept.user, kept.application), merged.size() - 1);
    }
  }
  return merged;
}

}  // namespace pgweir
