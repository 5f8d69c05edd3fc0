// LISTEN in a shared mode: a client's channels move from its server to a connection that all of its pool's clients share on
// this worker, and its server is free.
//
//   LISTEN a  ->  its own server  ->  transaction over, look: pg_listening_channels()  ->  listener: LISTEN "a"
//     own server:   a1  a2  MARKER                 UNLISTEN *, and it goes to the next client
//     listener:         a2  MARKER  a3  a4         both hear the marker, which the own server has sent (NOTIFY)
//     the client:   a1  a2          a3  a4         nothing twice, nothing lost, in PostgreSQL's order
//
//   UNLISTEN, DISCARD ALL, pg_listening_channels()  ->  first LISTEN on the server it has got, so that PostgreSQL answers,
//     and the look behind the transaction tells what is left, exact to the savepoint.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/framer.h"
#include "proxy/core/time.h"
#include "proxy/observe/isolation.h"
#include "proxy/session/outbox.h"
#include "proxy/session/ports.h"

namespace pgweir {

class Worker;
struct ClientSession;
struct PoolDesk;
struct ServerConnection;
struct ServerSecret;
struct SessionTouch;

// What waits for one client that is in a transaction, or does not read; beyond it the client is closed.
inline constexpr std::size_t notifications_waiting_max = 1024 * 1024;

// Owned by its client. Null there: it listens to nothing, or as clients do whose server is their own.
struct ClientChannels {
  struct Channel {
    std::string name;            // as pg_listening_channels() tells it
    bool on_server = true;       // its own server tells of it
    bool on_listener = false;    // the shared one does; both for a moment of each move
    std::uint64_t move = 0;      // the marker of its move
  };
  std::vector<Channel> list;
  std::uint64_t move = 0;        // under way; 0: none
  std::uint64_t incarnation = 0; // of the listener when that began
  WallTime lost_since{};         // nobody has listened for it since; WallTime{}: somebody does
  Buffer waiting;                // whole messages, until it is between two transactions
  bool due = false;              // in the worker's list of those who may be told now
};

// Of one pool on one worker; owned by its PoolDesk. The server connection is in the worker's slab, as any.
struct SharedListener {
  struct Channel {
    std::vector<Token> clients;
    bool confirmed = false;      // the server has answered its LISTEN
  };
  std::map<std::string, Channel, std::less<>> channels;
  std::string marker;            // the channel of the markers: nobody else's
  std::map<std::uint64_t, Token> moves;   // markers that are on their way
  std::string encoding;          // the client_encoding of all who share it
  Token server;                  // finds nothing: there is none
  std::uint64_t incarnation = 0; // how many connections have been lost
  bool ready = false;            // everything was confirmed at least once on this connection
  bool busy = false;             // a question is under way
  bool refused = false;          // ... and was answered by an error
  std::vector<std::string> asked;    // LISTENs in it
  std::vector<std::string> unwanted; // to be UNLISTENed
  Buffer partial;                // of a notification that has not arrived whole
  TimePoint ready_at{}, heard_at{}, asked_at{};
  WallTime heard_wall{};
  TimePoint unused_since{};      // nobody has wanted it since; TimePoint{}: somebody does
  TimePoint retry_at{};
  int failures = 0;              // in a row
};

// What a worker does for clients that listen. No state of its own; all on the worker's thread.
class Listeners {
 public:
  // The setting that tells whether a part of a transaction has been committed.
  static constexpr std::string_view canary = "pgweir.channels";

  // --- clients (channels.cpp)
  // A message of a client with channels, before its server gets it: whether they must be there first.
  static bool must_give(Worker& worker, ClientSession& client, const Piece& piece);
  // The message waits for that. False: the client has left.
  static bool give(Worker& worker, ClientSession& client, Run& run);
  static void on_given(Worker& worker, ServerConnection& server);
  // After a look: `told` are its rows, `reason` why the server stays as far as they say. True: a job has begun, and
  // the server is free behind it.
  static bool settle(Worker& worker, ServerConnection& server, const SessionTouch& touched, Bytes told, PinReason reason);
  // The client's server has nothing to do, and nothing but channels keeps it. True: a job has begun.
  static bool try_move(Worker& worker, ServerConnection& server);
  static void on_moved(Worker& worker, ServerConnection& server);
  // A notification of the client's own server: whether it is not for the client.
  static bool swallows(ServerConnection& server, Bytes body);
  static void leave(Worker& worker, ClientSession& client);
  // Tells it what waits for it, if it is between two transactions.
  static void deliver(Worker& worker, ClientSession& client);
  static void wake(Worker& worker, ClientSession& client);
  static void deliver_due(Worker& worker);
  // Clients of the pool that listen now.
  static std::size_t listening(const PoolDesk& desk);

  // --- the shared connection (shared_listener.cpp)
  static void ask(const ServerConnection& server, ServerSecret& secret);
  static void on_ready(Worker& worker, ServerConnection& server);
  static void hear(Worker& worker, ServerConnection& server, Bytes input);
  static void on_closed(Worker& worker, ServerConnection& server);
  static void on_tick(Worker& worker);
  // Closes it; it comes back when that is allowed and somebody still listens.
  static void stop(Worker& worker, PoolDesk& desk);

 private:
  static bool asks_for_channels(Worker& worker, const ClientSession& client, const Piece& piece);
  static bool may_share(const Worker& worker, const ClientSession& client);
  static bool all_confirmed(const ClientSession& client);
  static void begin_move(Worker& worker, ServerConnection& server, bool with_marker, bool reset_canary);
  static void go_on(Worker& worker, ServerConnection& server);
  static void want(Worker& worker, ClientSession& client, const std::string& name);
  static void forget(ClientSession& client, const std::string& name);
  static bool may_hear(const ClientSession& client);
  static void note_gap(Worker& worker, ClientSession& client);

  static bool open(Worker& worker, PoolDesk& desk);
  static void pump(Worker& worker, PoolDesk& desk);
  static void send(Worker& worker, ServerConnection& server, const std::string& sql);
  static void on_answered(Worker& worker, ServerConnection& server);
  static void on_notification(Worker& worker, PoolDesk& desk, Bytes message);
  static void on_marker(const Worker& worker, SharedListener& listener, std::string_view payload);
};

// `a"b` as SQL: "a""b".
std::string quote_channel(std::string_view name);

}  // namespace pgweir
