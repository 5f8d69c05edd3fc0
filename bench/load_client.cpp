// What one client of the generator does next.
#include <spdlog/fmt/fmt.h>

#include "bench/load_thread.h"
#include "protocol/compose.h"

namespace pgweir::bench {
namespace {
// Long enough not to hammer a pooler that is down, short enough not to empty the crowd.
constexpr Duration back_off = milliseconds(50);
constexpr Duration backlog_back_off = milliseconds(1);

const Buffer& rollback() {
  static const Buffer bytes = [] {
    Buffer out;
    compose::query(out, "ROLLBACK");
    return out;
  }();
  return bytes;
}
}  // namespace

// Acts on what has arrived. Whatever is said meanwhile may lose the connection, which is then
// settled in the same call.
void LoadThread::settle(Client& client) {
  if (inside(now_)) tally.bytes += arrived_.bytes;
  for (const std::string& text : arrived_.errors)
    count_error(going_ ? tally.errors : tally.login_errors, text);
  arrived_.errors.clear();
  if (arrived_.logged_in) on_logged_in(client);
  for (std::size_t i = 0; i < arrived_.readies.size(); ++i) on_ready(client, arrived_.readies[i]);
  if (plan_.pipeline > 1 && client.state == Client::State::waiting) fill_pipeline(client);
  if (arrived_.lost) on_lost(client);
  for (const std::string& text : arrived_.errors)
    count_error(going_ ? tally.errors : tally.login_errors, text);
  if (arrived_.backlog_full) {
    client.state = Client::State::backing_off;
    set_timer(client, backlog_back_off);
  }
  arrived_.clear();
}

void LoadThread::open(Client& client) {
  client.state = Client::State::connecting;
  client.connection.open(epoll_.get(), *client.target, scram_keys_, arrived_);
}

void LoadThread::on_lost(Client& client) {
  for (std::size_t i = client.started.size(); i > 0; --i) record(client, true);
  client.state = Client::State::backing_off;
  set_timer(client, back_off);
}

void LoadThread::on_logged_in(Client& client) {
  if (program_.setup.empty() || client.crowd) {
    on_usable(client);
    return;
  }
  client.state = Client::State::setting_up;
  client.readies_owed = program_.setup_readies;
  client.connection.send(program_.setup, arrived_);
}

void LoadThread::on_usable(Client& client) {
  client.state = Client::State::resting;
  if (!client.counted) {
    client.counted = true;
    --connecting_;
    ++ready_;
    report_ready();
  }
  if (client.crowd) return;
  if (program_.reconnect && !client.started.empty()) {
    perform(client);
  } else if (going_) {
    next_transaction(client);
  }
}

void LoadThread::on_ready(Client& client, const Arrived::Ready& ready) {
  if (client.readies_owed == 0) {
    count_error(tally.errors, "a ReadyForQuery that answers nothing");
    return;
  }
  --client.readies_owed;
  client.failed |= ready.failed;
  if (client.state == Client::State::setting_up) {
    if (client.readies_owed == 0) on_usable(client);
  } else if (plan_.pipeline > 1) {
    on_pipeline_ready(client);
  } else if (client.readies_owed == 0) {
    if (client.failed && ready.status != 'I' && client.state != Client::State::rolling_back) {
      client.state = Client::State::rolling_back;
      client.readies_owed = 1;
      client.connection.send(rollback(), arrived_);
    } else {
      statement_over(client);
    }
  }
}

// A round trip is over, and with the last one, or after a failure, so is the transaction.
void LoadThread::statement_over(Client& client) {
  if (client.failed || client.step >= last_statement_) {
    record(client, client.failed);
    client.failed = false;
    if (client.step < last_statement_) client.step = last_statement_;
  }
  ++client.step;
  perform(client);
}

void LoadThread::on_pipeline_ready(Client& client) {
  const unsigned readies_each = program_.steps[0].readies;
  if (client.readies_owed % readies_each != 0) return;
  record(client, client.failed);
  client.failed = false;
}

void LoadThread::on_timer(Client& client) {
  switch (client.state) {
    case Client::State::starting:
      next_transaction(client);
      return;
    case Client::State::thinking:
      ++client.step;
      perform(client);
      return;
    case Client::State::backing_off:
      if (program_.reconnect && !client.crowd && client.started.empty())
        next_transaction(client);
      else
        open(client);
      return;
    default:
      return;
  }
}

void LoadThread::next_transaction(Client& client) {
  client.state = Client::State::resting;
  if (plan_.pipeline > 1) {
    fill_pipeline(client);
  } else if (open_loop()) {
    if (backlog_.empty()) {
      at_rest_.push_back(&client);
    } else {
      const TimePoint intended = backlog_.front();
      backlog_.pop_front();
      begin(client, intended);
    }
  } else if (running()) {
    begin(client, TimePoint{});
  }
}

// What has come free in one event leaves in one send.
void LoadThread::fill_pipeline(Client& client) {
  const Step& step = program_.steps[0];
  batch_.clear();
  while (running() && client.started.size() < plan_.pipeline) {
    client.state = Client::State::waiting;
    client.started.push_back(now_);
    ++under_way_;
    client.readies_owed += step.readies;
    append(batch_, step.bytes);
  }
  if (!batch_.empty()) client.connection.send(batch_, arrived_);
}

// Begins a transaction that was to start at `intended`; in a closed loop (TimePoint{}) it starts
// with its first statement, or the connect before it.
void LoadThread::begin(Client& client, TimePoint intended) {
  client.step = 0;
  client.failed = false;
  client.thought = {};
  if (intended != TimePoint{} || program_.reconnect) {
    client.started.push_back(intended != TimePoint{} ? intended : now_);
    ++under_way_;
  }
  if (program_.reconnect)
    open(client);
  else
    perform(client);
}

void LoadThread::perform(Client& client) {
  if (client.step >= program_.steps.size()) {
    finish(client);
    return;
  }
  const Step& step = program_.steps[client.step];
  if (client.step > last_statement_ && program_.reconnect) client.connection.leave();
  if (step.readies == 0) {
    client.state = Client::State::thinking;
    const Duration pause = step.think.draw(random_);
    if (!client.started.empty()) client.thought += pause;
    set_timer(client, pause);
    return;
  }
  if (client.started.empty()) {
    client.started.push_back(now_);
    ++under_way_;
  }
  client.state = Client::State::waiting;
  client.readies_owed = step.readies;
  client.connection.send(step.bytes, arrived_);
}

void LoadThread::finish(Client& client) {
  if (program_.reconnect) client.connection.leave();
  next_transaction(client);
}

// The oldest transaction under way of this client is over.
void LoadThread::record(Client& client, bool failed) {
  if (client.started.empty()) return;
  const TimePoint started = client.started.front();
  client.started.erase(client.started.begin());
  --under_way_;
  if (inside(started) && !failed) tally.latency.add(now_ - started - client.thought);
  if (inside(now_)) ++(failed ? tally.failed : tally.completed);
  if (client.started.empty()) client.thought = {};
}

void LoadThread::set_timer(Client& client, Duration after) {
  timers_.push({now_ + after, &client, ++client.timer});
}

}  // namespace pgweir::bench
