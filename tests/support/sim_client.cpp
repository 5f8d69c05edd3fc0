#include "tests/support/sim_client.h"

#include <algorithm>

#include "protocol/auth/md5.h"
#include "tests/support/sim_wire.h"

namespace pgweir::sim {
namespace {

bool is_cancel_error(const std::string& whole) {
  return whole[0] == 'E' && field(whole, 'C') == "57014" &&
         field(whole, 'M') == "canceling statement due to user request";
}

// What may come at any time and says nothing about the client's own requests.
bool is_of_nobody(const std::string& whole) {
  return whole[0] == 'A' || whole[0] == 'S' ||
         (whole[0] == 'N' && owner_of(field(whole, 'M')).empty());
}

}  // namespace

RandomClient::RandomClient(SimHouse& house, SimChecks& checks, int number, Identity identity,
                           Habits habits)
    : house_(house), checks_(checks), number_(number), identity_(std::move(identity)), habits_(habits) {
  ParameterMap parameters = default_parameters();
  for (const auto& [name, value] : identity_.parameters) {
    if (const auto known = find_parameter(parameters, name); known != parameters.end())
      parameters[known->first] = spelled(known->first, value);
  }
  direct_ = SimSession(parameters);
  house_.world.after(milliseconds(house_.world.rng.between(0, 20)), [this, alive = alive_] {
    if (*alive) start();
  });
}

RandomClient::~RandomClient() {
  *alive_ = false;
  if (connection_) connection_->attach(nullptr);
}

std::string RandomClient::state() const {
  return "client c" + std::to_string(number_) + ": " + std::to_string(answered_) +
         " requests answered, " + (over_ ? "over" : running_ ? "running" : "logging in") +
         ", " + std::to_string(sent_.size()) + " sent messages open" +
         (sent_.empty()
              ? ""
              : ", first " + sent_.front().substr(0, 1) + " " + sent_.front().substr(5, 40)) +
         (fatal_.empty() ? "" : ", fatal: " + fatal_);
}

void RandomClient::start() {
  connection_ = house_.connect(*this, "c" + std::to_string(number_));
  auto parameters = identity_.parameters;
  parameters.insert(parameters.begin(),
                    {{"user", identity_.user}, {"database", identity_.database}});
  std::string bytes = startup(parameters);
  const bool vanishes = house_.world.rng.chance(habits_.vanish);
  if (vanishes) bytes.resize(house_.world.rng.below(bytes.size()));
  connection_->send(as_bytes(bytes));
  if (!vanishes) return;
  if (house_.world.rng.chance(50))
    connection_->reset();
  else
    connection_->close();
  end("vanished at login");
}

void RandomClient::end(const std::string& why) {
  over_ = true;
  house_.world.note("c" + std::to_string(number_) + " is over: " + why);
}

void RandomClient::wrong(const std::string& what) {
  checks_.fail("(1) client c" + std::to_string(number_) + ": " + what);
  over_ = true;
}

void RandomClient::on_closed() {
  connection_->attach(nullptr);
  if (over_) return;
  // Last words are lost when the socket takes none.
  const bool refused = !running_ && identity_.password != "secret";
  if (!habits_.fatals && !refused && !half_closed_) return wrong("was hung up on without a word");
  end("closed");
}

void RandomClient::on_data(Bytes bytes) {
  inbox_ += as_text(bytes);
  while (const auto whole = first_message(inbox_)) {
    const std::string message(*whole);
    inbox_.erase(0, message.size());
    if (over_) continue;
    if (running_)
      on_reply(message);
    else
      on_login(message);
  }
}

void RandomClient::on_login(const std::string& whole) {
  const std::string_view body = std::string_view(whole).substr(5);
  if (whole[0] == 'K') {
    pid_ = read_be32(body);
    key_ = body.substr(4);
  } else if (whole[0] == 'Z') {
    running_ = true;
    next_unit();
  } else if (whole[0] == 'E') {
    fatal_ = field(whole, 'M');
    const bool deserved =
        identity_.password != "secret" &&
        (field(whole, 'C') == "28P01" || fatal_.find("authentication") != std::string::npos);
    if (!deserved && !habits_.fatals) return wrong("login refused: " + fatal_);
    end("refused: " + fatal_);
  } else if (whole[0] == 'R') {
    const std::uint32_t kind = read_be32(body);
    std::string answer;
    if (kind == 3) answer = password(identity_.password);
    if (kind == 5)
      answer = password(
          md5_answer(md5_secret(identity_.password, identity_.user), as_bytes(body.substr(4))));
    if (kind == 10) {
      scram_ = std::make_unique<ScramClient>(identity_.password,
                                             "clientNonce" + std::to_string(number_));
      const std::string first = scram_->client_first();
      answer = message('p', zero_ended("SCRAM-SHA-256") +
                                be32(static_cast<std::uint32_t>(first.size())) + first);
    }
    if (kind == 11)
      if (const auto proof = scram_->on_server_first(body.substr(4))) answer = message('p', *proof);
    connection_->send(as_bytes(answer));
  }
}

// --- comparing

void RandomClient::take_output(std::string& out) {
  std::string_view left = out;
  while (const auto whole = first_message(left)) {
    if (!is_of_nobody(std::string(*whole))) expected_.emplace_back(*whole);
    left.remove_prefix(whole->size());
  }
  out.clear();
}

// Shows `direct_` just as much of what was sent as it takes to know what should come now.
void RandomClient::expect_reply_to(const std::string& actual) {
  std::string out;
  const bool canceled = cancel_sent_ && is_cancel_error(actual);
  while (expected_.empty()) {
    if (direct_.busy()) {
      if (canceled)
        direct_.cancel(out);
      else
        direct_.finish(out);
      take_output(out);
      continue;
    }
    if (sent_.empty()) return;
    const std::string message = sent_.front();
    if (canceled && !direct_.silent(message)) {
      // A cancel that met the request before any server did.
      SimSession probe = direct_;
      std::string unused;
      probe.on_message(message, unused);
      if (!unused.empty() || !probe.busy()) {
        direct_.reject(message, out);
        sent_.pop_front();
        take_output(out);
        continue;
      }
    }
    sent_.pop_front();
    direct_.on_message(message, out);
    take_output(out);
  }
}

void RandomClient::on_reply(const std::string& whole) {
  if (is_of_nobody(whole)) return;
  expect_reply_to(whole);
  // In a failed transaction a statement that its server lacks is refused where the pooler prepares it.
  const bool refused = !expected_.empty() && whole[0] == 'E' && expected_.front()[0] == 'E' &&
                       direct_.status() == 'E' && field(whole, 'C') == "25P02";
  if (refused || (!expected_.empty() && expected_.front() == whole)) {
    expected_.pop_front();
    if (whole[0] == 'E' && field(whole, 'S') == "FATAL") return end("its own FATAL");
    if (whole[0] == 'Z') ++answered_;
    return settle();
  }
  if (whole[0] == 'E' && field(whole, 'S') == "FATAL") {
    fatal_ = field(whole, 'M');
    const bool blamed = fatal_.find("protocol violation") != std::string::npos ||
                        fatal_.find("packet") != std::string::npos;
    if (!habits_.fatals || blamed) return wrong("thrown out: " + fatal_);
    return end("fatal: " + fatal_);
  }
  const auto shown = [](const std::string& m) {
    std::string text = "'" + m.substr(0, 1) + "' " + m.substr(5, 120);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '.');
    return text;
  };
  wrong("got " + shown(whole) + " instead of " +
        (expected_.empty() ? "nothing" : shown(expected_.front())));
}

void RandomClient::settle() {
  std::string out;
  while (expected_.empty() && !direct_.busy() && !sent_.empty() && direct_.silent(sent_.front())) {
    direct_.on_message(sent_.front(), out);
    sent_.pop_front();
    take_output(out);
  }
  if (!expected_.empty() || direct_.busy() || !sent_.empty() || over_ || waiting_) return;
  waiting_ = true;
  if (std::all_of(cancelers_.begin(), cancelers_.end(), [](const auto& c) { return c->over(); }))
    cancel_sent_ = false;
  house_.world.after(
      microseconds(house_.world.rng.between(0, house_.world.rng.one_in(4) ? 20'000 : 500)),
      [this, alive = alive_] {
        if (*alive && !over_) next_unit();
      });
}

void RandomClient::send_cancel() {
  cancel_sent_ = true;
  cancelers_.push_back(std::make_unique<Canceler>(house_, pid_, key_));
  if (house_.world.rng.chance(habits_.vanish)) cancelers_.back()->reset();
}

void RandomClient::next_unit() {
  waiting_ = false;
  if (half_closed_) return;
  Rng& rng = house_.world.rng;
  if (!continuation_.empty()) {
    const auto rest = std::move(continuation_);
    continuation_.clear();
    return send_unit(rest);
  }
  if (++units_done_ > habits_.units && direct_.status() == 'I') {
    connection_->send(as_bytes(terminate()));
    connection_->close();
    return end("done");
  }
  if (rng.chance(habits_.slow)) {
    connection_->pause_peer();
    house_.world.after(milliseconds(rng.between(0, 50)), [c = connection_] { c->resume_peer(); });
  }
  send_unit(make_unit());
  if (!over_ && rng.chance(habits_.cancel)) {
    house_.world.after(microseconds(rng.between(0, 4000)), [this, alive = alive_] {
      if (*alive && !over_ && !waiting_) send_cancel();
    });
  }
}

void RandomClient::send_unit(const std::vector<std::string>& unit) {
  Rng& rng = house_.world.rng;
  std::string bytes;
  for (const std::string& message : unit) {
    bytes += message;
    sent_.push_back(message);
  }
  house_.world.note("c" + std::to_string(number_) + " sends " + std::to_string(unit.size()) +
                    " messages, the first '" + unit[0].substr(0, 1) + "' " + unit[0].substr(5, 40));
  if (!rng.chance(habits_.vanish)) return connection_->send(as_bytes(bytes));
  connection_->send(as_bytes(std::string_view(bytes).substr(0, rng.below(bytes.size() + 1))));
  if (rng.chance(50)) {
    connection_->reset();
    return end("vanished");
  }
  connection_->close();
  // Half of them still read: what comes must be right to the end.
  half_closed_ = rng.chance(50);
  if (!half_closed_) end("vanished");
}

}  // namespace pgweir::sim
