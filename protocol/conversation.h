// What one server still owes for the requests it was sent, and what it said of its transaction.
//
// Source: PostgreSQL documentation, "Message Flow", and the behaviour of PostgresMain: after an error in an extended
// query everything up to the next Sync is skipped; Sync and Flush are ignored while COPY IN runs; CopyData, CopyDone
// and CopyFail are ignored outside of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

// Who asked, and so who gets the reply.
enum class For : std::uint8_t { client, pooler };

enum class TxStatus : char { idle = 'I', in_transaction = 'T', failed = 'E' };

// What to do with a message that a server sent.
enum class Disposition : std::uint8_t { forward, swallow, out_of_sync };

struct ReplyVerdict {
  Disposition disposition = Disposition::forward;
  unsigned statements = 0;          // how many Query, Execute and FunctionCall are over; after an error several
  bool failed = false;              // ... and the first of them failed; the others never ran
  // After an error in a batch:
  unsigned notes_dropped = 0;       // how many noted requests will never be answered
  bool failed_is_noted = false;     // the one that failed is the first of these
  std::uint64_t mark = 0;           // of the one that failed
};

// What the sender of a request wants to hear about it.
struct Note {
  bool noted = false;               // counted when it is answered (take_settled), or dropped (ReplyVerdict)
  std::uint64_t mark = 0;           // told when it fails
};

// Owned by the ServerConnection, used on its thread.
//
//   owed:   [ Parse* ][ Bind ][ Describe ][ Execute ][ Sync ]      * asked by the pooler itself
//            ^ front: the server's next reply answers this one
class Conversation {
 public:
  // Notes a message on its way to the server. `tag` is the frontend message type.
  void on_request(char tag, For whom = For::client, Note note = {});
  // Notes a ParseComplete ('1') or CloseComplete ('3') that we owe the client ourselves, in order.
  void owe_fake(char reply_tag, bool noted = false) {
    push({Owed::fake, For::client, reply_tag, noted});
    batch_open_ = true;
  }

  // Judges a backend message (its first piece). `first_body_byte` counts for ReadyForQuery only.
  ReplyVerdict on_reply(char tag, char first_body_byte);
  // The quick way for nearly all replies: the client waits for them, and they end no statement. Notes it as on_reply() does;
  // false: nothing is noted, and it is on_reply()'s: also where a fake has to come first.
  bool on_plain_reply(char tag) {
    if (nothing_owed() || owed_[head_].whom != For::client) return false;
    const Owed kind = owed_[head_].kind;
    if ((tag == 'D' && kind == Owed::execute) || ((tag == 'D' || tag == 'T') && kind == Owed::query)) return true;
    const bool answers = (tag == '1' && kind == Owed::parse) || (tag == '2' && kind == Owed::bind) ||
                         (tag == 'T' && kind == Owed::describe);
    if (answers) pop();
    return answers;
  }
  // Whether take_fake() or take_settled() would tell of anything.
  bool has_news() const {
    return settled_ > 0 || (!nothing_owed() && (owed_[head_].kind == Owed::fake || owed_[head_].kind == Owed::copy_end));
  }
  // The tag of the fake whose turn has come, which is then no longer owed; 0: none has.
  char take_fake() {
    drop_settled();
    if (!front_is(Owed::fake)) return 0;
    const char tag = owed_[head_].reply_tag;
    pop();
    drop_settled();
    return tag;
  }
  // How many noted requests were answered, fakes among them, since the last call.
  unsigned take_settled() { return std::exchange(settled_, 0u); }

  // Nothing owed, no COPY open, no batch without its Sync: the server could start something new.
  bool at_rest() const {
    return nothing_owed() && !batch_open_ && !skipping_ && !copy_in_ && !out_of_sync_;
  }
  // Nothing is being executed right now, but a transaction or batch may be open.
  bool nothing_owed() const { return owed_.empty(); }
  TxStatus transaction() const { return transaction_; }
  bool in_copy() const { return copy_in_; }
  bool out_of_sync() const { return out_of_sync_; }
  // A Sync met a COPY that failed: whether it is answered depends on which the server read first. It may say one
  // ReadyForQuery more than it owes, so that it must serve nobody else.
  bool may_say_more() const { return may_say_more_; }
  // The server ignores everything up to the next Sync.
  bool skipping() const { return skipping_; }
  // Extended messages have been sent since the last Sync.
  bool batch_open() const { return batch_open_; }
  // Nothing of an earlier batch, or of a Query, is still to come.
  bool earlier_is_answered() const { return ends_owed_ == 0; }
  std::size_t owed_count() const { return owed_.size() - head_; }
  // Behind the reply under way something is still owed to the client.
  bool owes_client_more() const {
    return owed_count() > 1 && std::any_of(owed_.begin() + static_cast<std::ptrdiff_t>(head_) + 1, owed_.end(),
                                           [](const Entry& e) { return e.whom == For::client; });
  }
  // The reply under way answers the pooler, not the client.
  bool pooler_is_answered() const { return !nothing_owed() && owed_[head_].whom == For::pooler; }

 private:
  enum class Owed : std::uint8_t {
    parse, bind, describe, execute, close, sync, query, function_call,
    copy_end,      // a CopyDone or CopyFail sent before we knew of the COPY; owes nothing
    fake,          // we answer this one ourselves
  };
  struct Entry {
    Owed kind;
    For whom;
    char reply_tag = 0;
    bool noted = false;
    std::uint64_t mark = 0;
  };

  void push(Entry entry) {
    ends_owed_ += ends_batch(entry.kind);
    owed_.push_back(entry);
  }
  void pop() {
    settled_ += owed_[head_].noted;
    drop();
  }
  void drop() {
    ends_owed_ -= ends_batch(owed_[head_].kind);
    if (++head_ == owed_.size()) {
      owed_.clear();
      head_ = 0;
    } else if (head_ >= 1024) {
      forget_spent();
    }
  }
  void forget_spent();
  static bool ends_batch(Owed kind) {
    return kind == Owed::sync || kind == Owed::query || kind == Owed::function_call;
  }
  // CopyDone without a COPY is ignored by the server; it must not hold up what follows.
  void drop_settled() {
    while (front_is(Owed::copy_end)) pop();
  }
  const Entry* front() const { return !nothing_owed() ? &owed_[head_] : nullptr; }
  static bool extended(Owed kind) { return kind <= Owed::close; }
  bool front_is(Owed kind) const { return !nothing_owed() && owed_[head_].kind == kind; }
  void on_error(ReplyVerdict& verdict);
  void on_ready(ReplyVerdict& verdict, char status);
  void on_copy_in();
  void complete(Owed kind, ReplyVerdict& verdict);
  void desync(ReplyVerdict& verdict);

  std::vector<Entry> owed_;           // from head_ on; the part before is spent. Empty when nothing is owed
  std::size_t head_ = 0;
  unsigned settled_ = 0;
  unsigned ends_owed_ = 0;            // how many of owed_ are a Sync, Query or FunctionCall
  TxStatus transaction_ = TxStatus::idle;
  bool batch_open_ = false;           // extended messages since the last Sync
  bool skipping_ = false;             // the server ignores everything until a Sync that has yet to be sent
  bool copy_in_ = false;              // the server reads CopyData
  bool answered_ = false;             // the Query or FunctionCall in front has had a result or an error
  bool sync_in_copy_ = false;         // a Sync went out that the server ignores, unless the COPY fails first
  bool may_say_more_ = false;
  bool query_failed_ = false;         // the Query or FunctionCall in front had an ErrorResponse
  bool out_of_sync_ = false;          // it said something that answers nothing
};

}  // namespace pgweir
