// The table of commands, and those of them that change something.
#include <algorithm>
#include <charconv>

#include "proxy/admin/console.h"
#include "proxy/admin/gather.h"

namespace pgweir {
namespace {

using Answer = Console::Answer;

Answer refused(std::string text) {
  return {Answer::Kind::refused, std::move(text)};
}

void log_issued(const char* command, const std::string& argument) {
  if (argument.empty())
    log::line(log::Level::log, "{} command issued", command);
  else
    log::line(log::Level::log, "{} '{}' command issued", command, argument);
}

// Names the database that an order may not touch; nothing when it may. `act` completes "cannot
// ...".
std::string objection(const Worker& worker, const std::string& database, const char* act) {
  if (database == console_database) return fmt::format("cannot {} admin db: {}", act, database);
  if (!worker.config().database(database)) return "no such database: " + database;
  return {};
}

}  // namespace

std::span<const Console::Verb> Console::verbs() {
  using enum Who;
  static constexpr auto none = Argument::none;
  static constexpr auto optional = Argument::optional;
  static constexpr Verb table[] = {
      {"show", stats, optional, "", &Console::show},
      {"select", stats, optional, "", &Console::show},
      {"set", admin, optional, "SET key = arg", &Console::set},
      {"reset", admin, optional, "RESET QUERIES", &Console::reset},
      {"reload", admin, none, "RELOAD", &Console::reload},
      {"pause", admin, optional, "PAUSE [<db>]", &Console::pause},
      {"resume", admin, optional, "RESUME [<db>]", &Console::resume},
      {"disable", admin, optional, "DISABLE <db>", &Console::disable},
      {"enable", admin, optional, "ENABLE <db>", &Console::enable},
      {"reconnect", admin, optional, "RECONNECT [<db>]", &Console::reconnect},
      {"kill", admin, optional, "KILL [<db>]", &Console::kill},
      {"kill_client", admin, optional, "KILL_CLIENT <client_id>", &Console::kill_client},
      {"suspend", admin, none, "SUSPEND", &Console::suspend},
      {"wait_close", admin, optional, "WAIT_CLOSE [<db>]", &Console::wait_close},
      {"shutdown", admin, optional, "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]",
       &Console::shutdown},
      {"takeover", admin, none, "", &Console::takeover},
  };
  return table;
}

// The answer comes when every worker has carried the order out.
Answer Console::everywhere(Order& order, Task task, std::string tag) {
  const std::uint64_t number = begin_wait(order.worker, order.client);
  confirm(order.worker, order.client.token, number, std::move(task), std::move(tag));
  return {Answer::Kind::later, ""};
}

void Console::confirm(Worker& worker, Token token, std::uint64_t number, Task task,
                      std::string tag) {
  struct Carried {};
  gather<Carried>(
      worker,
      [task = std::move(task)](Worker& each) {
        task(each);
        return Carried{};
      },
      [this, token, number, tag = std::move(tag)](Worker& home, std::vector<Carried>) {
        if (ClientSession* client = waiting(home, token, number)) {
          end_wait(home, *client, Answer{Answer::Kind::done, tag});
        }
      });
}

// --- settings

Answer Console::reload(Order& order) {
  log_issued("RELOAD", "");
  std::string error;
  if (!process_.reload(error)) {
    if (!error.empty()) log::line(log::Level::error, "{}", error);
    return {Answer::Kind::refused, "RELOAD failed, see logs for additional details", "F0000"};
  }
  return everywhere(
      order, [](Worker&) {}, "RELOAD");
}

Answer Console::set(Order& order) {
  const std::string& key = *order.command.argument;
  const std::string& value = *order.command.value;
  std::string error;
  if (!process_.set(key, value, error)) {
    if (!error.empty()) log::line(log::Level::error, "{}", error);
    return refused("SET failed");
  }
  return everywhere(
      order, [](Worker&) {}, fmt::format("SET {}={}", key, value));
}

Answer Console::reset(Order& order) {
  if (lower_case(order.database()) != "queries") return refused("");
  log_issued("RESET QUERIES", "");
  return everywhere(
      order, [](Worker& worker) { worker.reset_queries(); }, "RESET");
}

// --- serving or not

Answer Console::pause(Order& order) {
  Worker& worker = order.worker;
  const std::string& database = order.database();
  if (!order.command.argument) {
    if (worker.paused() || worker.suspended()) return refused("already suspended/paused");
    log_issued("PAUSE", "");
  } else {
    log_issued("PAUSE", database);
    if (auto why = objection(worker, database, "pause"); !why.empty()) return refused(why);
  }
  post_all(worker, [database](Worker& each) { each.pause(database); });
  return wait_for(order, WaitFor::pause);
}

Answer Console::resume(Order& order) {
  Worker& worker = order.worker;
  const std::string& database = order.database();
  log_issued("RESUME", database);
  if (!order.command.argument) {
    // To pause is part of waiting for the servers.
    if (worker.shutdown() == Shutdown::wait_for_servers) return refused("pooler is shutting down");
    if (worker.suspended()) {
      end_suspension(worker);
      return everywhere(
          order, [this](Worker& each) { look_again(each); }, "RESUME");
    }
    if (!worker.paused()) return refused("pooler is not paused/suspended");
  } else if (database != console_database && !worker.config().database(database)) {
    return refused("no such database: " + database);
  } else if (!worker.database_paused(database)) {
    return refused(fmt::format("database {} is not paused", database));
  }
  // A PAUSE that still waits on that worker learns of it at once.
  return everywhere(
      order,
      [this, database](Worker& each) {
        each.resume(database);
        look_again(each);
      },
      "RESUME");
}

Answer Console::suspend(Order& order) {
  Worker& worker = order.worker;
  log_issued("SUSPEND", "");
  if (worker.paused() || worker.suspended()) return refused("already suspended/paused");
  if (!worker.paused_databases().empty()) return refused("cannot suspend with paused databases");
  process_.accept_clients(false);
  suspender_ = order.client.id;
  post_all(worker, [](Worker& each) { each.suspend(true); });
  return wait_for(order, WaitFor::suspend);
}

void Console::end_suspension(Worker& worker) {
  suspender_ = 0;
  process_.accept_clients(true);
  post_all(worker, [](Worker& each) { each.suspend(false); });
}

Answer Console::disable(Order& order) {
  const std::string& database = order.database();
  if (!order.command.argument) return refused("a database is required");
  log_issued("DISABLE", database);
  if (auto why = objection(order.worker, database, "disable"); !why.empty()) return refused(why);
  return everywhere(
      order, [database](Worker& each) { each.disable(database); }, "DISABLE");
}

Answer Console::enable(Order& order) {
  const std::string& database = order.database();
  if (!order.command.argument) return refused("a database is required");
  log_issued("ENABLE", database);
  // PgBouncer says "disable" here, too.
  if (auto why = objection(order.worker, database, "disable"); !why.empty()) return refused(why);
  return everywhere(
      order, [database](Worker& each) { each.enable(database); }, "ENABLE");
}

// --- servers

Answer Console::reconnect(Order& order) {
  const std::string& database = order.database();
  log_issued("RECONNECT", database);
  if (order.command.argument) {
    if (auto why = objection(order.worker, database, "reconnect"); !why.empty()) {
      return refused(why);
    }
  }
  return everywhere(
      order, [database](Worker& each) { each.reconnect(database); }, "RECONNECT");
}

Answer Console::wait_close(Order& order) {
  log_issued("WAIT_CLOSE", order.database());
  if (order.command.argument) {
    auto why = objection(order.worker, order.database(), "wait in");
    if (!why.empty()) return refused(why);
  }
  return wait_for(order, WaitFor::close);
}

// --- clients

Answer Console::kill(Order& order) {
  Worker& worker = order.worker;
  const std::string& database = order.database();
  if (worker.paused()) return refused("already suspended/paused");
  log_issued("KILL", database);
  if (order.command.argument) {
    if (auto why = objection(worker, database, "kill"); !why.empty()) return refused(why);
    return everywhere(
        order, [database](Worker& each) { each.kill(database); }, "KILL");
  }
  // Each database by its name, for each is resumed by its name afterwards. Those that clients made
  // from the fallback are known to the workers only.
  const std::uint64_t number = begin_wait(worker, order.client);
  gather<WorkerFacts>(
      worker, [](Worker& each) { return collect_facts(each, Wants::pools); },
      [this, token = order.client.token, number](Worker& home, std::vector<WorkerFacts> facts) {
        auto known = known_databases(home.config(), facts);
        const auto kill_known = [known = std::move(known)](Worker& each) {
          for (const auto& [name, entry] : known) each.kill(name);
        };
        confirm(home, token, number, kill_known, "KILL");
      });
  return {Answer::Kind::later, ""};
}

Answer Console::kill_client(Order& order) {
  const std::string& text = order.database();
  log_issued("KILL_CLIENT", text);
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return refused("invalid client pointer supplied");
  }
  const std::uint64_t number = begin_wait(order.worker, order.client);
  gather<int>(
      order.worker, [id](Worker& each) { return static_cast<int>(each.kill_client(id)); },
      [this, token = order.client.token, number](Worker& home, std::vector<int> found) {
        ClientSession* client = waiting(home, token, number);
        if (!client) return;
        const bool any = std::find(found.begin(), found.end(), 1) != found.end();
        end_wait(home, *client,
                 any ? Answer{Answer::Kind::done, "KILL_CLIENT"} : refused("client not found"));
      });
  return {Answer::Kind::later, ""};
}

// --- the end

// Said by `pgweir -R`: from here on the connection is no console's.
Answer Console::takeover(Order& order) {
  if (!order.client.console->own_uid) return refused("TAKEOVER is for the process's own user, over the unix socket");
  if (order.worker.shutdown() != Shutdown::no || !process_.may_be_taken_over()) return refused("pooler is shutting down");
  log_issued("TAKEOVER", "");
  std::unique_ptr<Detached> socket = order.client.stream->detach();
  order.client.stream.reset();
  order.worker.end_client(order.client, CloseReason::handed_over);
  process_.be_taken_over(std::move(socket));
  return {Answer::Kind::silent, ""};
}

Answer Console::shutdown(Order& order) {
  const std::string how = lower_case(order.database());
  if (!order.command.argument) {
    log_issued("SHUTDOWN", "");
    process_.request_exit(Shutdown::no, true);
  } else if (how == "wait_for_servers") {
    log_issued("SHUTDOWN WAIT_FOR_SERVERS", "");
    process_.request_exit(Shutdown::wait_for_servers, false);
  } else if (how == "wait_for_clients") {
    log_issued("SHUTDOWN WAIT_FOR_CLIENTS", "");
    process_.request_exit(Shutdown::wait_for_clients, false);
  } else {
    return refused("");
  }
  return {Answer::Kind::silent, ""};
}

}  // namespace pgweir
