#include "protocol/auth/md5.h"
#include "tests/support/sim_client.h"
#include "tests/support/sim_wire.h"

namespace pgweir::sim {

ScriptedClient::ScriptedClient(SimHouse& house, Identity identity, bool silent)
    : house_(house), identity_(std::move(identity)), silent_(silent) {
  connection_ = house.connect(*this, "client");
  if (silent) return;
  auto parameters = identity_.parameters;
  parameters.insert(parameters.begin(),
                    {{"user", identity_.user}, {"database", identity_.database}});
  send(startup(parameters));
}

ScriptedClient::~ScriptedClient() {
  connection_->reset();
}

void ScriptedClient::on_data(Bytes bytes) {
  inbox_ += as_text(bytes);
  while (const auto whole = first_message(inbox_)) {
    const std::string message(*whole);
    inbox_.erase(0, message.size());
    if (!logged_in_ && !silent_)
      on_login_message(message);
    else
      messages_.push_back(message);
    readies_ += message[0] == 'Z';
  }
}

void ScriptedClient::on_login_message(const std::string& whole) {
  const std::string_view body = std::string_view(whole).substr(5);
  login_tags += whole[0];
  if (whole[0] == 'S') {
    const std::size_t end = body.find('\0');
    parameters_[std::string(body.substr(0, end))] =
        std::string(body.substr(end + 1, body.size() - end - 2));
  } else if (whole[0] == 'K') {
    pid_ = read_be32(body);
    key_ = body.substr(4);
  } else if (whole[0] == 'Z') {
    logged_in_ = true;
  } else if (whole[0] == 'E') {
    messages_.push_back(whole);
  } else if (whole[0] == 'R' && read_be32(body) == 3) {
    send(password(identity_.password));
  } else if (whole[0] == 'R' && read_be32(body) == 5) {
    send(password(
        md5_answer(md5_secret(identity_.password, identity_.user), as_bytes(body.substr(4)))));
  } else if (whole[0] == 'R' && read_be32(body) == 10) {
    scram_ = std::make_unique<ScramClient>(identity_.password, "clientNonce");
    const std::string first = scram_->client_first();
    send(message(
        'p', zero_ended("SCRAM-SHA-256") + be32(static_cast<std::uint32_t>(first.size())) + first));
  } else if (whole[0] == 'R' && read_be32(body) == 11) {
    if (const auto answer = scram_->on_server_first(body.substr(4))) send(message('p', *answer));
  }
}

bool ScriptedClient::wait_ready(Duration limit) {
  const bool came =
      house_.world.run_until([&] { return readies_ > readies_taken_ || closed_; }, limit);
  if (!came || readies_ <= readies_taken_) return false;
  ++readies_taken_;
  return true;
}

bool ScriptedClient::wait_closed(Duration limit) {
  return house_.world.run_until([&] { return closed_; }, limit);
}

std::vector<std::string> ScriptedClient::take() {
  std::vector<std::string> taken;
  taken.swap(messages_);
  readies_taken_ = readies_;
  return taken;
}

std::string ScriptedClient::take_tags() {
  std::string tags;
  for (const std::string& m : take()) tags += m[0];
  return tags;
}

std::string ScriptedClient::error_text() const {
  for (const std::string& m : messages_)
    if (m[0] == 'E') return field(m, 'M');
  return {};
}

std::string ScriptedClient::error_code() const {
  for (const std::string& m : messages_)
    if (m[0] == 'E') return field(m, 'C');
  return {};
}

std::string ScriptedClient::ask(const std::string& sql) {
  send(query(sql));
  if (!wait_ready()) return "nothing";
  return take_tags();
}

Canceler::Canceler(SimHouse& house, std::uint32_t pid, const std::string& key) {
  connection_ = house.connect(*this, "canceler");
  connection_->send(as_bytes(cancel_packet(pid, key)));
}

Canceler::~Canceler() {
  connection_->attach(nullptr);
}

}  // namespace pgweir::sim
