#include "proxy/admin/console.h"

#include <algorithm>

#include "protocol/compose.h"
#include "protocol/frontend.h"
#include "proxy/admin/gather.h"

namespace pgweir {
namespace {

// What a client may send while its command waits. People and monitors send one command at a time.
constexpr std::size_t backlog_messages_max = 1000;
// Answers that a client has not read when it asks again: several of the largest.
constexpr std::size_t unread_answers_max = 8 * 1024 * 1024;
// As much of a query as an error message repeats.
constexpr std::size_t quoted_query_max = 512;

Console::Answer not_understood(std::string_view query) {
  return {Console::Answer::Kind::refused,
          fmt::format("invalid command '{}', use SHOW HELP;", query.substr(0, quoted_query_max))};
}

// `refusal` with the rest of what PgBouncer says before it closes a console connection.
void refuse_and_close(Worker& worker, ClientSession& client, const std::string& refusal) {
  Buffer words;
  compose::error_response(words, "ERROR", "08P01", refusal);
  compose::ready_for_query(words);
  log::line(log::Level::error, "{}", refusal);
  worker.tell(client, words);
  worker.end_client(client, CloseReason::client_close_request, "bad packet");
}

}  // namespace

const std::string& Console::Order::database() const {
  static const std::string none;
  return command.argument ? *command.argument : none;
}

// --- messages

void Console::on_message(Worker& worker, ClientSession& client, char tag, Bytes body) {
  if (client.console->waiting_for != 0) return keep_message(worker, client, tag, body);
  take_message(worker, client, tag, body);
}

// Answers keep the order of the commands, so that what comes while one waits has to wait as well.
void Console::keep_message(Worker& worker, ClientSession& client, char tag, Bytes body) {
  auto& backlog = desk(worker).backlog[client.token.index];
  if (backlog.size() >= backlog_messages_max) {
    return refuse_and_close(worker, client, "too many commands at once");
  }
  backlog.push_back({tag, {body.begin(), body.end()}});
}

void Console::take_message(Worker& worker, ClientSession& client, char tag, Bytes body) {
  if (client.outbox.size() > unread_answers_max) {
    return refuse_and_close(worker, client, "too many answers are not read");
  }
  switch (tag) {
    case 'Q': {
      // A query that did not fit in the framer's piece is none of ours, whatever it says.
      const auto query = read_query(body);
      client.request_at = worker.now();
      answer(worker, client, query ? take_query(worker, client, query->sql) : not_understood(""));
      return;
    }
    case 'P':
    case 'B':
    case 'E':
      return refuse_and_close(worker, client,
                              "extended query protocol not supported by admin console");
    default:
      return refuse_and_close(worker, client,
                              fmt::format("unsupported packet type for admin console: {}",
                                          static_cast<unsigned char>(tag)));
  }
}

Console::Answer Console::take_query(Worker& worker, ClientSession& client, std::string_view text) {
  const ParsedCommand parsed = parse_console_command(text);
  if (parsed.outcome == ParsedCommand::Outcome::too_long) {
    return {Answer::Kind::refused, "bad arguments"};
  }
  if (parsed.outcome == ParsedCommand::Outcome::unknown_form) return not_understood(text);
  const ConsoleCommand& command = parsed.command;
  const auto all = verbs();
  const auto verb = std::find_if(all.begin(), all.end(), [&](const Verb& row) {
    return row.name == command.verb && (command.verb == "set") == command.value.has_value();
  });
  if (verb == all.end() || (verb->argument == Argument::none && command.argument)) {
    return not_understood(text);
  }
  if (command.value && find_fake_setting(*command.argument)) {
    Buffer notice;
    compose::notice_response(notice, "NOTICE", "00000", "SET ignored");
    worker.tell(client, notice);
    return {Answer::Kind::done, "SET"};
  }
  if (verb->who == Who::admin && !client.console->admin) {
    return {Answer::Kind::refused, "admin access needed"};
  }
  Order order{worker, client, command};
  Answer result = (this->*verb->run)(order);
  // A command that wants an argument, or another one, says so with an empty refusal.
  if (result.kind == Answer::Kind::refused && result.text.empty()) return not_understood(text);
  return result;
}

// --- answers

namespace {

void compose_answer(Buffer& words, const Console::Answer& answer) {
  if (answer.kind == Console::Answer::Kind::done) {
    compose::command_complete(words, answer.text);
  } else {
    compose::error_response(words, "ERROR", answer.sqlstate, answer.text);
  }
}

}  // namespace

void Console::answer(Worker& worker, ClientSession& client, const Answer& answer) {
  if (answer.kind == Answer::Kind::later || answer.kind == Answer::Kind::silent) return;
  if (answer.kind == Answer::Kind::refused) {
    log::line(log::Level::error, "{}", answer.text);
    if (worker.config().globals.log_pooler_errors) {
      worker.log_client(log::Level::warning, client, "pooler error: {}", answer.text);
    }
  }
  Buffer words;
  compose_answer(words, answer);
  compose::ready_for_query(words);
  worker.tell(client, words);
}

std::uint64_t Console::begin_wait(Worker& worker, ClientSession& client) {
  return client.console->waiting_for = ++desk(worker).last_number;
}

ClientSession* Console::waiting(Worker& worker, Token token, std::uint64_t number) {
  ClientSession* client = worker.find_client(token);
  const bool waits = client && client->phase == ClientPhase::console && client->console &&
                     client->console->waiting_for == number;
  return waits ? client : nullptr;
}

void Console::end_wait(Worker& worker, ClientSession& client, const Answer& words) {
  answer(worker, client, words);
  end_wait(worker, client, Buffer{});
}

void Console::end_wait(Worker& worker, ClientSession& client, const Buffer& words) {
  if (!words.empty()) worker.tell(client, words);
  client.console->waiting_for = 0;
  auto& backlogs = desk(worker).backlog;
  while (client.phase == ClientPhase::console && client.console->waiting_for == 0) {
    const auto found = backlogs.find(client.token.index);
    if (found == backlogs.end()) return;
    const Message message = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty()) backlogs.erase(found);
    take_message(worker, client, message.tag, message.body);
  }
}

void Console::on_gone(Worker& worker, ClientSession& client) {
  if (suspender_ == client.id) end_suspension(worker);
  Desk& mine = desk(worker);
  client.console->waiting_for = 0;
  mine.backlog.erase(client.token.index);
  std::erase_if(mine.waits, [&](const Wait& wait) { return wait.client == client.token; });
}

void Console::on_tick(Worker& worker) {
  look_again(worker);
  if (worker.number() == 0) stats_.on_tick(worker, process_);
}

// --- SHOW

ShowContext Console::context_for(Worker& worker, const std::vector<WorkerFacts>& facts) const {
  ShowContext context{worker.config(),      worker.ledger(),   facts, {}, {}, worker.paused(),
                      stats_.last_period(), process_.version(), {}, process_.dns()};
  context.suspended = worker.suspended();
  for (const auto& [name, entry] : known_databases(worker.config(), facts)) {
    if (worker.database_paused(name)) context.paused.insert(name);
    if (worker.database_disabled(name)) context.disabled.insert(name);
  }
  return context;
}

Console::Answer Console::show(Order& order) {
  if (!order.command.argument) return {Answer::Kind::refused, ""};
  const std::string name = lower_case(*order.command.argument);
  if (name == "help") return show_help(order);
  if (name == "fds" && !order.client.console->admin) return {Answer::Kind::refused, "admin access needed"};
  if (const FakeSetting* fake = find_fake_setting(name)) {
    Buffer words;
    const compose::Column column{fake->name};
    append_table(words, {&column, 1}, {{std::string(fake->value)}});
    compose::ready_for_query(words);
    order.worker.tell(order.client, words);
    return {Answer::Kind::silent, ""};
  }
  const Show* table = find_show(name);
  if (!table) return {Answer::Kind::refused, ""};
  const std::vector<std::string>& words = order.command.more;
  if (table->understands ? !table->understands(words) : !words.empty()) return {Answer::Kind::refused, ""};
  const std::uint64_t number = begin_wait(order.worker, order.client);
  const auto tell = [this, table, words, token = order.client.token, number](Worker& worker, const std::vector<WorkerFacts>& facts) {
    ClientSession* client = waiting(worker, token, number);
    if (!client) return;
    Buffer answer;
    ShowContext context = context_for(worker, facts);
    context.words = words;
    std::vector<Row> rows = table->rows(context);
    const std::size_t hidden = worker.config().globals.show_old_columns ? 0 : table->old_columns;
    const Columns columns = table->columns.first(table->columns.size() - hidden);
    if (hidden > 0) {
      for (Row& row : rows) row.resize(columns.size());
    }
    append_table(answer, columns, rows);
    compose::ready_for_query(answer);
    end_wait(worker, *client, answer);
  };
  if (table->wants == Wants::queries) {
    Fleet& fleet = order.worker.fleet();
    collect_queries(fleet, query_question(*table, words), [&fleet, tell, home = order.worker.number()](std::vector<WorkerQueries> found) {
      fleet.post(home, [tell, facts = facts_of(std::move(found))](Worker& worker) { tell(worker, facts); });
    });
  } else {
    gather<WorkerFacts>(order.worker, [table](Worker& worker) { return collect_facts(worker, table->wants); }, tell);
  }
  return {Answer::Kind::later, ""};
}

Console::Answer Console::show_help(Order& order) {
  std::string detail = "\n\tSHOW HELP";
  for (const Show* table : shows()) detail += "|" + std::string(table->name);
  std::transform(detail.begin(), detail.end(), detail.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const Verb& verb : verbs()) {
    if (!verb.usage.empty()) detail += "\n\t" + std::string(verb.usage);
  }
  Buffer notice;
  compose::notice_response(notice, "NOTICE", "00000", "Console usage", detail);
  order.worker.tell(order.client, notice);
  return {Answer::Kind::done, "SHOW"};
}

}  // namespace pgweir
