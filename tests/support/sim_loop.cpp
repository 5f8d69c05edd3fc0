#include "tests/support/sim_loop.h"

#include <algorithm>
#include <cerrno>

namespace pgweir::sim {

int SimLoop::running = -1;

// --- World

void World::at(TimePoint when, std::function<void()> action) {
  queue_.push({std::max(when, now), order_++, std::move(action)});
}

bool World::step() {
  if (queue_.empty()) return false;
  Event event = std::move(const_cast<Event&>(queue_.top()));
  queue_.pop();
  now = std::max(now, event.when);
  ++count_;
  event.action();
  if (after_event) after_event();
  return true;
}

void World::run_for(Duration time) {
  const TimePoint end = now + time;
  while (!queue_.empty() && queue_.top().when <= end) step();
  now = std::max(now, end);
}

bool World::run_until(const std::function<bool()>& condition, Duration limit) {
  const TimePoint end = now + limit;
  while (!condition()) {
    if (queue_.empty() || queue_.top().when > end) return false;
    step();
  }
  return true;
}

void World::note(std::string what) {
  if (notes_.size() == 64) notes_.pop_front();
  std::replace_if(
      what.begin(), what.end(), [](char c) { return c < ' ' || c > '~'; }, '.');
  notes_.push_back(std::to_string(count_us(now - TimePoint{seconds(1000)})) + "us " +
                   std::move(what));
}

std::string World::notes() const {
  std::string all;
  for (const std::string& note : notes_) all += note + "\n";
  return all;
}

// --- Connection, the peer's side

void Connection::send(Bytes bytes) {
  if (fin_ || reset_ || pooler_closed_) return;
  to_pooler_ += as_text(bytes);
  schedule_to_pooler();
}

void Connection::close() {
  fin_ = true;
  schedule_to_pooler();
}

void Connection::reset() {
  reset_ = true;
  to_pooler_.clear();
  to_peer_.clear();
  peer_ = nullptr;
  schedule_to_pooler();
}

void Connection::resume_peer() {
  peer_paused_ = false;
  schedule_to_peer();
}

void Connection::schedule_to_pooler() {
  if (pooler_scheduled_ || pooler_closed_) return;
  pooler_scheduled_ = true;
  world_.after(world_.latency(), [self = shared_from_this()] { self->deliver_to_pooler(); });
}

void Connection::schedule_to_peer() {
  if (peer_scheduled_) return;
  peer_scheduled_ = true;
  world_.after(world_.latency(), [self = shared_from_this()] { self->deliver_to_peer(); });
}

void Connection::schedule_writable() {
  if (writable_scheduled_) return;
  writable_scheduled_ = true;
  world_.after(world_.latency(), [self = shared_from_this()] { self->deliver_writable(); });
}

namespace {

// How many of `count` bytes arrive at once.
std::size_t portion(World& world, std::size_t count, unsigned percent) {
  constexpr std::size_t scratch_bytes = 32 * 1024;
  count = std::min(count, scratch_bytes);
  if (count > 1 && world.rng.chance(percent)) return 1 + world.rng.below(count);
  return count;
}

}  // namespace

void Connection::deliver_to_pooler() {
  pooler_scheduled_ = false;
  if (pooler_closed_ || !loop_ || end_reported_) return;
  if (reset_) {
    end_reported_ = true;
    world_.note(name_ + " reset, worker " + std::to_string(loop_->number()));
    return loop_->turn(
        [token = token_](LoopEvents& events) { events.on_closed(token, ECONNRESET); });
  }
  if (reading_paused_) return;  // resuming schedules again
  if (!to_pooler_.empty()) {
    const std::size_t count = portion(world_, to_pooler_.size(), world_.faults.short_read);
    std::string scratch = to_pooler_.substr(0, count);
    to_pooler_.erase(0, count);
    if (!to_pooler_.empty() || fin_) schedule_to_pooler();
    world_.note(name_ + " -> worker " + std::to_string(loop_->number()) + ": " +
                std::to_string(count) + " bytes, begins '" + scratch.substr(0, 1) + "'");
    return loop_->turn([&scratch, token = token_](LoopEvents& events) {
      events.on_bytes(token, as_bytes(scratch));
      std::fill(scratch.begin(), scratch.end(),
                '\xdb');  // whoever looks at them after the call sees this
    });
  }
  if (!fin_) return;
  end_reported_ = true;
  world_.note(name_ + " closed, worker " + std::to_string(loop_->number()));
  loop_->turn([token = token_](LoopEvents& events) { events.on_closed(token, 0); });
}

void Connection::deliver_to_peer() {
  peer_scheduled_ = false;
  if (!peer_ || peer_paused_) return;
  if (!to_peer_.empty()) {
    const std::size_t count = portion(world_, to_peer_.size(), world_.faults.short_read);
    const std::string bytes = to_peer_.substr(0, count);
    to_peer_.erase(0, count);
    if (wants_write_) schedule_writable();
    if (!to_peer_.empty() || pooler_closed_) schedule_to_peer();
    peer_->on_data(as_bytes(bytes));
    return;
  }
  if (pooler_closed_ && !peer_told_) {
    peer_told_ = true;
    peer_->on_closed();
  }
}

void Connection::deliver_writable() {
  writable_scheduled_ = false;
  if (!wants_write_ || pooler_closed_ || !loop_ || end_reported_) return;
  if (!reset_ && to_peer_.size() >= world_.faults.socket_bytes) return;  // reading schedules again
  wants_write_ = false;
  world_.note(name_ + " writable, worker " + std::to_string(loop_->number()));
  loop_->turn([token = token_](LoopEvents& events) { events.on_writable(token); });
}

// --- streams

DetachedConnection::~DetachedConnection() {
  if (!connection) return;
  SimStream closing(std::move(connection));  // whoever drops a detached socket closes it
}

SimStream::~SimStream() {
  if (!connection_) return;
  connection_->pooler_closed_ = true;
  connection_->loop_ = nullptr;
  connection_->schedule_to_peer();
}

IoResult SimStream::try_write(std::span<const iovec> parts) {
  Connection& c = *connection_;
  std::size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  if (total == 0) return {};
  if (c.reset_) return {IoResult::Status::failed, 0, EPIPE};
  World& world = c.world_;
  std::size_t room =
      world.faults.socket_bytes - std::min(world.faults.socket_bytes, c.to_peer_.size());
  if (world.rng.chance(world.faults.would_block))
    room = 0;
  else if (room > 1 && world.rng.chance(world.faults.short_write))
    room = 1 + world.rng.below(std::min(room, total));
  const std::size_t taken = std::min(room, total);
  std::size_t left = taken;
  for (const iovec& part : parts) {
    const std::size_t count = std::min(left, part.iov_len);
    c.to_peer_.append(static_cast<const char*>(part.iov_base), count);
    left -= count;
  }
  c.bytes_from_pooler += taken;
  if (taken > 0) c.schedule_to_peer();
  if (taken == total) return {IoResult::Status::ok, taken, 0};
  c.wants_write_ = true;
  if (c.to_peer_.size() < world.faults.socket_bytes) c.schedule_writable();
  return {taken == 0 ? IoResult::Status::would_block : IoResult::Status::ok, taken, 0};
}

void SimStream::resume_reading() {
  connection_->reading_paused_ = false;
  if (!connection_->to_pooler_.empty() || connection_->fin_) connection_->schedule_to_pooler();
}

std::unique_ptr<Detached> SimStream::detach() {
  connection_->loop_ = nullptr;
  connection_->wants_write_ = false;
  return std::make_unique<DetachedConnection>(std::move(connection_));
}

Endpoint SimStream::local() const {
  return {Endpoint::Family::inet, 6432, "127.0.0.1", 0, ~0u};
}

Endpoint SimStream::remote() const {
  return {connection_->family, static_cast<std::uint16_t>(connection_->id()), "10.0.0.1", 0,
          connection_->peer_uid};
}

// --- SimLoop

std::unique_ptr<Stream> SimLoop::adopt(std::unique_ptr<Detached> socket, Token token) {
  auto& detached = dynamic_cast<DetachedConnection&>(*socket);
  return enter(std::move(detached.connection), token);
}

std::unique_ptr<Stream> SimLoop::enter(std::shared_ptr<Connection> connection, Token token) {
  Connection& c = *connection;
  c.loop_ = this;
  c.token_ = token;
  c.reading_paused_ = false;
  if (!c.to_pooler_.empty() || c.fin_ || c.reset_) c.schedule_to_pooler();
  return std::make_unique<SimStream>(std::move(connection));
}

void SimLoop::turn(const std::function<void(LoopEvents&)>& report) {
  running = static_cast<int>(number_);
  report(*events_);
  events_->on_turn_end();
  running = -1;
}

void SimLoop::wake() {
  world_.after(world_.latency(), [this] {
    if (!stopped_) turn([](LoopEvents& events) { events.on_wake(); });
  });
}

void SimLoop::tick_every(Duration period) {
  period_ = period;
  if (!ticking_) world_.after(period_, [this] { tick(); });
  ticking_ = true;
}

void SimLoop::alarm_in(Duration delay) {
  world_.after(delay, [this] {
    if (!stopped_) turn([](LoopEvents& events) { events.on_alarm(); });
  });
}

void SimLoop::tick() {
  if (stopped_) return;
  world_.note("tick, worker " + std::to_string(number_));
  turn([](LoopEvents& events) { events.on_tick(); });
  world_.after(period_, [this] { tick(); });
}

// --- SimConnector

void SimConnector::connect(const ServerAddress& address, Token token) {
  const std::uint64_t serial = ++last_serial_;
  under_way_.push_back({token, serial});
  if (!reachable || world_.rng.chance(world_.faults.hang)) return;
  const Duration delay = world_.latency() + world_.latency();
  world_.after(delay, [this, address, token, serial] { answer(address, token, serial); });
}

void SimConnector::abandon(Token token) {
  std::erase_if(under_way_, [&](const Attempt& a) { return a.token == token; });
}

void SimConnector::answer(const ServerAddress& address, Token token, std::uint64_t serial) {
  const auto found = std::find_if(under_way_.begin(), under_way_.end(),
                                  [&](const Attempt& a) { return a.serial == serial; });
  if (found == under_way_.end()) return;
  under_way_.erase(found);
  auto connection =
      world_.rng.chance(world_.faults.refuse) ? nullptr : accept_(address, token.kind);
  world_.note(std::string(connection ? "connected" : "connect refused") + ", worker " +
              std::to_string(loop_.number()));
  loop_.turn([&](LoopEvents& events) {
    if (!connection) return events.on_connect_failed(token, "connect failed");
    events.on_connected(token, loop_.enter(connection, token));
  });
}

// --- SimFleet

void SimFleet::post(unsigned worker, Task task) {
  const auto delay_max = static_cast<std::uint64_t>(world_.faults.mail_delay_max.count());
  TimePoint& last = last_delivery_[{SimLoop::running, worker}];
  last = std::max(
      last, world_.now + Duration(static_cast<std::int64_t>(world_.rng.below(delay_max + 1))));
  ++under_way_;
  world_.at(last, [this, worker, task = std::move(task)]() mutable {
    --under_way_;
    if (worker >= members_.size()) return;
    world_.note("mail for worker " + std::to_string(worker));
    Member& member = members_[worker];
    Worker& to = *member.worker;
    member.loop->turn([&](LoopEvents&) { task(to); });
  });
}

}  // namespace pgweir::sim
