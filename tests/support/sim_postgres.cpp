#include "tests/support/sim_postgres.h"

#include <algorithm>

#include "protocol/auth/md5.h"
#include "tests/support/sim_wire.h"

namespace pgweir::sim {

SimBackend::SimBackend(SimPostgres& server, std::shared_ptr<Connection> connection,
                       std::uint32_t pid)
    : server_(server),
      connection_(std::move(connection)),
      pid_(pid),
      key_(be32(pid * 2654435761u)) {}

void SimBackend::on_closed() {
  stage_ = Stage::gone;
  connection_->attach(nullptr);
}

void SimBackend::crash() {
  if (gone()) return;
  stage_ = Stage::gone;
  // The kernel closes for a process that is killed; what it had not read makes that a reset.
  if (server_.world.rng.chance(50))
    connection_->reset();
  else
    connection_->close();
}

void SimBackend::terminate(const std::string& code, const std::string& text) {
  if (gone()) return;
  say(fatal(code, text));
  stage_ = Stage::gone;
  connection_->close();
}

void SimBackend::on_data(Bytes bytes) {
  if (gone()) return;
  input_ += as_text(bytes);
  const auto self = shared_from_this();
  take_input();
}

void SimBackend::take_input() {
  while (!gone() && stage_ == Stage::startup) {
    if (!take_startup()) return;
  }
  while (!gone() && !(session_ && session_->busy())) {
    const auto whole = first_message(input_);
    if (!whole) return;
    const std::string message(*whole);
    input_.erase(0, message.size());
    if (message[0] == 'X') {
      stage_ = Stage::gone;
      return;
    }
    if (stage_ != Stage::ready) {
      on_password_message(message);
      continue;
    }
    if (message[0] == 'Q' || message[0] == 'P') log.push_back(message.substr(5));
    if (server_.fatals > 0 && server_.world.rng.below(1000) < server_.fatals) {
      return terminate("57P01", "terminating connection due to administrator command");
    }
    std::string out;
    session_->on_message(message, out);
    say_in_time(out, message[0]);
    if (!session_->breach().empty() && server_.breach_.empty())
      server_.breach_ = session_->breach();
    if (session_->dead()) {
      stage_ = Stage::gone;
      connection_->close();
      return;
    }
    if (server_.world.rng.chance(server_.notices)) {
      say(server_.world.rng.chance(50) ? report('N', "WARNING", "01000", "of nobody's")
          : message.size() > 0
              ? sim::message('A', be32(pid_) + zero_ended("channel") +
                                      zero_ended(std::string(server_.world.rng.below(80), 'n')))
              : "");
    }
    if (session_->busy()) finish_later();
  }
}

// PostgreSQL sends when it is ready for a query, asked to by a Flush, wants data of a COPY, has an
// error or a notice to tell, or its buffer is full.
void SimBackend::say_in_time(const std::string& bytes, char request) {
  constexpr std::size_t buffer_bytes = 8192;
  unsent_ += bytes;
  bool now = request == 'H' || unsent_.size() >= buffer_bytes;
  std::string_view left = bytes;
  while (const auto whole = first_message(left)) {
    const char tag = (*whole)[0];
    now |= tag == 'Z' || tag == 'G' || tag == 'E' || tag == 'N';
    left.remove_prefix(whole->size());
  }
  if (now && !unsent_.empty()) say({});
}

void SimBackend::finish_later() {
  if (server_.endless_sleep) {
    ++sleep_serial_;
    return;
  }
  const auto span = static_cast<std::uint64_t>(server_.sleep_max.count());
  const Duration time{static_cast<std::int64_t>(server_.world.rng.below(span + 1))};
  server_.world.after(time, [self = shared_from_this(), serial = ++sleep_serial_] {
    if (self->gone() || serial != self->sleep_serial_ || !self->session_->busy()) return;
    std::string out;
    self->session_->finish(out);
    self->say_in_time(out, 'E');
    if (self->session_->busy())
      self->finish_later();
    else
      self->take_input();
  });
}

void SimBackend::interrupt() {
  if (gone() || !session_ || !session_->busy()) return;
  server_.world.note("cancel hits '" + session_->running() + "'");
  std::string out;
  ++sleep_serial_;
  session_->cancel(out);
  say(out);
  const auto self = shared_from_this();
  take_input();
}

// --- login

bool SimBackend::take_startup() {
  if (input_.size() < 8) return false;
  const std::size_t size = read_be32(input_);
  if (input_.size() < size) return false;
  const std::string packet = input_.substr(0, size);
  input_.erase(0, size);
  const std::uint32_t code = read_be32(std::string_view(packet).substr(4));
  if (code == 80877103)
    say("N");  // no TLS here
  else if (code == 80877102)
    on_cancel_packet(packet);
  else
    on_startup(packet);
  return !gone();
}

void SimBackend::on_cancel_packet(std::string_view packet) {
  ++server_.cancels_seen;
  const std::uint32_t pid = read_be32(packet.substr(8));
  const std::string key(packet.substr(12));
  const auto span = static_cast<std::uint64_t>(server_.cancel_delay_max.count());
  server_.world.after(Duration{static_cast<std::int64_t>(server_.world.rng.below(span + 1))},
                      [self = shared_from_this(), pid, key] {
                        for (const auto& backend : self->server_.backends_) {
                          if (backend->pid_ == pid && backend->key_ == key) backend->interrupt();
                        }
                        if (self->gone()) return;
                        self->stage_ = Stage::gone;
                        self->connection_->close();
                      });
}

void SimBackend::refuse(const std::string& code, const std::string& text) {
  terminate(code, text);
}

void SimBackend::on_startup(std::string_view packet) {
  ++server_.logins_seen;
  std::string_view body = packet.substr(8);
  while (body.size() > 1) {
    const std::size_t name_end = body.find('\0');
    const std::string name(body.substr(0, name_end));
    body.remove_prefix(name_end + 1);
    const std::size_t value_end = body.find('\0');
    const std::string value(body.substr(0, value_end));
    body.remove_prefix(value_end + 1);
    if (name == "user")
      user_ = value;
    else if (name == "database")
      database_ = value;
    else
      wanted_[name] = value;
  }
  if (!server_.refusal.empty())
    return refuse(server_.refusal.substr(0, 5), server_.refusal.substr(6));
  switch (server_.auth) {
    case SimPostgres::Auth::trust:
      return welcome();
    case SimPostgres::Auth::md5:
      salt_ = be32(static_cast<std::uint32_t>(server_.world.rng.next()));
      stage_ = Stage::password;
      return say(message('R', be32(5) + salt_));
    case SimPostgres::Auth::scram:
      stage_ = Stage::sasl_first;
      return say(message('R', be32(10) + zero_ended("SCRAM-SHA-256") + '\0'));
  }
}

void SimBackend::on_password_message(std::string_view whole) {
  std::string_view body = whole.substr(5);
  const std::string failed = "password authentication failed for user \"" + user_ + "\"";
  if (stage_ == Stage::password) {
    const std::string expected = md5_answer(md5_secret(server_.password, user_), as_bytes(salt_));
    if (body.substr(0, body.size() - 1) != expected) return refuse("28P01", failed);
    return welcome();
  }
  if (stage_ == Stage::sasl_first) {
    const auto secret = derive_scram_secret(server_.password, "0123456789abcdef", 64);
    scram_ = std::make_unique<ScramServer>(*secret, "nonceOfTheServer" + std::to_string(pid_));
    const std::size_t name_end = body.find('\0');
    const auto answer = scram_->on_client_first(body.substr(name_end + 5));
    if (!answer) return refuse("28P01", failed);
    stage_ = Stage::sasl_final;
    return say(message('R', be32(11) + *answer));
  }
  const auto answer = scram_->on_client_final(body);
  if (!answer) return refuse("28P01", failed);
  say(message('R', be32(12) + *answer));
  welcome();
}

void SimBackend::welcome() {
  if (!server_.missing_database.empty() && database_ == server_.missing_database) {
    return refuse("3D000", "database \"" + database_ + "\" does not exist");
  }
  ParameterMap parameters = default_parameters();
  parameters["server_version"] = server_.version;
  for (const auto& [name, value] : wanted_) {
    const auto known = find_parameter(parameters, name);
    if (known != parameters.end()) parameters[known->first] = spelled(known->first, value);
  }
  std::string out = message('R', be32(0));
  for (const auto& [name, value] : parameters) out += parameter(name, value);
  out += message('K', be32(pid_) + key_) + ready('I');
  session_ = std::make_unique<SimSession>(parameters);
  session_->share_schema(server_.schema);
  stage_ = Stage::ready;
  say(out);
}

// --- SimPostgres

std::shared_ptr<Connection> SimPostgres::accept(Token::Kind) {
  if (down) return nullptr;
  const std::uint64_t id = ++last_connection_;
  auto connection = std::make_shared<Connection>(world, 10'000 + id, "server" + std::to_string(id));
  auto backend = std::make_shared<SimBackend>(*this, connection, ++last_pid_);
  connection->attach(backend.get());
  backends_.push_back(std::move(backend));
  return connection;
}

void SimPostgres::throw_out(bool politely) {
  const auto all = backends_;
  for (const auto& backend : all) {
    if (politely)
      backend->terminate("57P01", "terminating connection due to administrator command");
    else
      backend->crash();
  }
}

std::size_t SimPostgres::connections() const {
  return static_cast<std::size_t>(std::count_if(backends_.begin(), backends_.end(),
                                                [](const auto& b) { return b->logged_in(); }));
}

}  // namespace pgweir::sim
