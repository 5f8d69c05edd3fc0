// Words of ours among a client's, for the files that define Worker's part about prepared statements.
#pragma once

#include "proxy/session/worker.h"

namespace pgweir {

// Of a message with a name in it; all our names are shorter than this.
inline constexpr std::size_t short_message_bytes = 64;

// Words of ours of at most `bytes`, at their place in the run. False: the client has left.
template <typename F>
bool Worker::say(ClientSession& client, Run& run, std::size_t bytes, F&& compose) {
  if (words_.size() + bytes > words_.capacity()) {
    flush_to_server(client, run);
    if (client.phase == ClientPhase::leaving) return false;
    words_.clear();
    words_.reserve(std::max<std::size_t>(bytes, 4096));
  }
  const std::size_t at = words_.size();
  compose(words_);
  return add(client, run, Bytes(words_).subspan(at));
}

}  // namespace pgweir
