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
  if (!habits_.fatals && !refused) return wrong("was hung up on without a word");
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

// --- its program

std::string RandomClient::tag() {
  return "c" + std::to_string(number_) + "." + std::to_string(++next_statement_) + " ";
}

std::string RandomClient::statement(bool may_fail) {
  Rng& rng = house_.world.rng;
  static const char* const settings[] = {"TimeZone='Europe/Berlin'", "TimeZone='Asia/Tokyo'",
                                         "application_name='mine'",  "DateStyle='German, DMY'",
                                         "client_encoding='LATIN1'", "TimeZone='bad'"};
  switch (rng.below(may_fail ? 11 : 8)) {
    case 0:
    case 1:
    case 2:
      return tag() + "SELECT";
    case 3:
      return tag() + "ROWS " + std::to_string(rng.between(0, 20)) + " " +
             std::to_string(rng.below(habits_.row_bytes_max));
    case 4:
      return tag() + "SHOW " +
             (rng.chance(50)   ? "TimeZone"
              : rng.chance(50) ? "DateStyle"
                               : "application_name");
    case 5:
      return tag() + "SET " + settings[rng.below(5)];
    case 6:
      return tag() + "SLEEP";
    case 7:
      return tag() + (rng.chance(50) ? "NOTICE" : "COPYOUT " + std::to_string(rng.between(0, 5)));
    case 8:
      return tag() + "SET " + settings[5];
    default:
      return tag() + "FAIL";
  }
}

std::vector<std::string> RandomClient::make_extended() {
  Rng& rng = house_.world.rng;
  std::vector<std::string> unit;
  std::string name;
  if (habits_.mode == PoolMode::session && rng.chance(30)) {
    name = "s" + std::to_string(++next_statement_);
    named_ = true;
  }
  if (habits_.names && rng.chance(50)) return make_prepared();
  const int batches = rng.between(1, 3);
  for (int b = 0; b < batches; ++b) {
    const int statements = rng.between(1, 3);
    for (int s = 0; s < statements; ++s) {
      unit.push_back(
          parse(name.empty() ? "" : name + "_" + std::to_string(b) + "_" + std::to_string(s),
                statement(true)));
      const std::string own =
          name.empty() ? "" : name + "_" + std::to_string(b) + "_" + std::to_string(s);
      if (rng.chance(30)) unit.push_back(describe('S', own));
      unit.push_back(bind_message("", own));
      if (rng.chance(50)) unit.push_back(describe('P', ""));
      unit.push_back(execute("", rng.chance(20) ? 3 : 0));
      if (rng.chance(20)) unit.push_back(execute("", 0));
      if (rng.chance(10)) unit.push_back(close_message('P', ""));
      if (rng.chance(10)) unit.push_back(flush());
    }
    unit.push_back(sync_message());
  }
  if (rng.chance(15)) {
    // Half of a batch, a Flush, and the rest when the first half has been answered.
    unit.push_back(parse("", tag() + "SELECT"));
    unit.push_back(describe('S', ""));
    unit.push_back(flush());
    continuation_ = {bind_message("", ""), execute(""), sync_message()};
  }
  return unit;
}

// Names that last: statements prepared in one batch are used in a later one, on whatever server; some are taken, some
// are not there any more. Texts that several clients have are shared by them.
std::vector<std::string> RandomClient::make_prepared() {
  Rng& rng = house_.world.rng;
  static const char* const shared[] = {"any SELECT", "any ROWS 3 10", "any SHOW TimeZone", "any NOTICE", "any FAIL"};
  std::vector<std::string> unit;
  for (int batch = rng.between(1, 3); batch > 0; --batch) {
    for (int requests = rng.between(1, 5); requests > 0; --requests) {
      const std::string name(1, static_cast<char>('a' + rng.below(4)));
      const auto kind = rng.below(10);
      if (kind < 3) {
        unit.push_back(parse(name, rng.chance(60) ? shared[rng.below(5)] : statement(true)));
      } else if (kind < 4) {
        unit.push_back(close_message('S', name));
      } else if (kind < 5) {
        unit.push_back(describe('S', name));
      } else {
        unit.push_back(bind_message("", name));
        if (rng.chance(50)) unit.push_back(describe('P', ""));
        unit.push_back(execute("", 0));
      }
      if (rng.chance(5)) unit.push_back(flush());
    }
    unit.push_back(sync_message());
  }
  return unit;
}

std::vector<std::string> RandomClient::make_copy() {
  Rng& rng = house_.world.rng;
  const std::string sql = tag() + "COPYIN";
  const bool extended = rng.chance(30);
  std::vector<std::string> unit;
  if (extended)
    unit = {parse("", sql), bind_message("", ""), execute("")};
  else
    unit = {query(sql)};
  const int lines = rng.between(0, 6);
  const bool bad = rng.chance(25);
  for (int i = 0; i < lines; ++i) {
    unit.push_back(copy_data(sql + (bad && i == lines / 2 ? " BAD" : " line") +
                             std::string(rng.below(habits_.row_bytes_max), 'y')));
    if (rng.one_in(10)) unit.push_back(flush());
  }
  unit.push_back(rng.chance(80) ? copy_done() : copy_fail("changed my mind"));
  if (extended) unit.push_back(sync_message());
  return unit;
}

std::vector<std::string> RandomClient::make_unit() {
  Rng& rng = house_.world.rng;
  const bool open = direct_.status() != 'I';
  if (habits_.mode != PoolMode::statement) {
    if (open && rng.chance(40)) return {query(tag() + (rng.chance(70) ? "COMMIT" : "ROLLBACK"))};
    if (!open && rng.chance(25)) return {query(tag() + "BEGIN")};
    if (!open && rng.chance(10))
      return {parse("", tag() + "BEGIN"), bind_message("", ""), execute(""), sync_message()};
  }
  switch (rng.below(8)) {
    case 0:
    case 1:
    case 2:
      return make_extended();
    case 3:
      return make_copy();
    case 4: {
      const std::string base = statement(true);
      return {query(base + ";" + statement(true) + ";" + statement(true)), query(statement(true))};
    }
    case 5:
      if (rng.chance(30)) return {query("")};
      if (rng.chance(30)) return {sync_message()};
      return {function_call(77, tag() + "CALL")};
    default:
      return {query(statement(true))};
  }
}

void RandomClient::send_cancel() {
  cancel_sent_ = true;
  cancelers_.push_back(std::make_unique<Canceler>(house_, pid_, key_));
  if (house_.world.rng.chance(habits_.vanish)) cancelers_.back()->reset();
}

void RandomClient::next_unit() {
  waiting_ = false;
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
  if (rng.chance(50))
    connection_->reset();
  else
    connection_->close();
  end("vanished");
}

}  // namespace pgweir::sim
