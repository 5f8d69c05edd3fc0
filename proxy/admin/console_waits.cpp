// PAUSE, SUSPEND and WAIT_CLOSE answer when no worker has anything left to wait for. Nobody tells when that
// is; the worker that the console client is on asks all of them, once per tick.
#include <algorithm>

#include "proxy/admin/console.h"
#include "proxy/admin/gather.h"

namespace pgweir {

Console::Answer Console::wait_for(Order& order, WaitFor what) {
  const std::uint64_t number = begin_wait(order.worker, order.client);
  auto& waits = desk(order.worker).waits;
  waits.push_back({order.client.token, number, what, order.database()});
  ask(order.worker, waits.back());
  return {Answer::Kind::later, ""};
}

void Console::look_again(Worker& worker) {
  for (Wait& wait : desk(worker).waits) {
    if (!wait.asking) ask(worker, wait);
  }
}

void Console::ask(Worker& worker, Wait& wait) {
  wait.asking = true;
  gather<Vote>(
      worker,
      [what = wait.what, database = wait.database](Worker& each) -> Vote {
        if (what == WaitFor::close) return {each.nothing_to_close(database), false};
        if (what == WaitFor::suspend) return {each.suspended() && each.flushed(), !each.suspended()};
        const bool paused = database.empty() ? each.paused() : each.database_paused(database);
        return {each.quiet(database), !paused};
      },
      [this, token = wait.client, number = wait.number](Worker& home, std::vector<Vote> votes) {
        settle(home, token, number, votes);
      });
}

void Console::settle(Worker& worker, Token token, std::uint64_t number,
                     const std::vector<Vote>& votes) {
  auto& waits = desk(worker).waits;
  const auto wait = std::find_if(waits.begin(), waits.end(), [&](const Wait& w) {
    return w.client == token && w.number == number;
  });
  if (wait == waits.end()) return;
  wait->asking = false;
  const bool over =
      std::all_of(votes.begin(), votes.end(), [](const Vote& vote) { return vote.over; });
  const bool undone =
      std::any_of(votes.begin(), votes.end(), [](const Vote& vote) { return vote.undone; });
  if (!over && !undone) return;
  const WaitFor what = wait->what;
  const char* const tag = what == WaitFor::pause ? "PAUSE" : what == WaitFor::suspend ? "SUSPEND" : "WAIT_CLOSE";
  waits.erase(wait);
  ClientSession* client = waiting(worker, token, number);
  if (!client) return;
  if (undone) {
    end_wait(worker, *client, Answer{Answer::Kind::refused, fmt::format("{} was undone by RESUME", tag)});
  } else {
    end_wait(worker, *client, Answer{Answer::Kind::done, tag});
  }
}

// What a client that waits for its PAUSE wants is that things go on.
void Console::on_cancel(Worker& worker, ClientSession& client) {
  auto& waits = desk(worker).waits;
  const auto wait = std::find_if(waits.begin(), waits.end(),
                                 [&](const Wait& w) { return w.client == client.token; });
  if (wait == waits.end()) return;
  if (wait->what == WaitFor::pause) {
    post_all(worker, [database = wait->database](Worker& each) { each.resume(database); });
  }
  if (wait->what == WaitFor::suspend) end_suspension(worker);
  waits.erase(wait);
  end_wait(worker, client,
           Answer{Answer::Kind::refused, "canceling statement due to user request"});
}

}  // namespace pgweir
