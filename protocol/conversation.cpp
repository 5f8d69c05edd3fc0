#include "protocol/conversation.h"

#include <algorithm>

namespace pgweir {

void Conversation::on_request(char tag, For whom, Note note) {
  switch (tag) {
    case 'P': case 'B': case 'D': case 'E': case 'C': {
      if (skipping_) return;
      const Owed kind = tag == 'P'   ? Owed::parse
                        : tag == 'B' ? Owed::bind
                        : tag == 'D' ? Owed::describe
                        : tag == 'E' ? Owed::execute
                                     : Owed::close;
      push({kind, whom, 0, note.noted, note.mark});
      batch_open_ = true;
      return;
    }
    case 'S':
      if (copy_in_) {                   // the server ignores it, if it still reads the COPY by then
        sync_in_copy_ = true;
        return;
      }
      push({Owed::sync, whom});
      skipping_ = batch_open_ = false;
      return;
    case 'Q': case 'F':
      if (skipping_) return;
      push({tag == 'Q' ? Owed::query : Owed::function_call, whom, 0, note.noted, note.mark});
      batch_open_ = false;
      return;
    case 'c': case 'f':
      if (copy_in_) {
        copy_in_ = false;
      } else if (!nothing_owed()) {
        push({Owed::copy_end, whom});   // belongs to a COPY that has yet to be announced, or to none
      }
      return;
    default:
      return;                           // Flush and CopyData are owed nothing
  }
}

ReplyVerdict Conversation::on_reply(char tag, char first_body_byte) {
  ReplyVerdict verdict;
  drop_settled();
  const Entry* next = front();
  if (next && next->whom == For::pooler) verdict.disposition = Disposition::swallow;
  switch (tag) {
    case 'A': case 'N': case 'S':
      return verdict;                   // may come at any time
    case '1':
      complete(Owed::parse, verdict);
      return verdict;
    case '2':
      complete(Owed::bind, verdict);
      return verdict;
    case '3':
      complete(Owed::close, verdict);
      return verdict;
    case 'n':
      complete(Owed::describe, verdict);
      return verdict;
    case 't':
      if (!front_is(Owed::describe)) desync(verdict);
      return verdict;
    case 'T':
      if (front_is(Owed::describe)) pop();
      else if (!front_is(Owed::query)) desync(verdict);
      return verdict;
    case 'C': case 'I': case 's':
      sync_in_copy_ = false;
      if (front_is(Owed::execute)) {
        copy_in_ = false;
        verdict.statements = next->whom == For::client;
        pop();
      } else if (!front_is(Owed::query) || tag == 's') {
        desync(verdict);
      } else {
        copy_in_ = false;
        answered_ = true;
      }
      return verdict;
    case 'D': case 'd': case 'c': case 'H':
      if (!front_is(Owed::execute) && !front_is(Owed::query)) desync(verdict);
      return verdict;
    case 'G': case 'W':
      if (front_is(Owed::execute) || front_is(Owed::query)) on_copy_in();
      else desync(verdict);
      return verdict;
    case 'V':
      if (!front_is(Owed::function_call)) desync(verdict);
      answered_ = true;
      return verdict;
    case 'E':
      on_error(verdict);
      return verdict;
    case 'Z':
      on_ready(verdict, first_body_byte);
      return verdict;
    default:
      desync(verdict);                  // login messages have no place here
      return verdict;
  }
}

void Conversation::complete(Owed kind, ReplyVerdict& verdict) {
  if (front_is(kind)) pop();
  else desync(verdict);
}

void Conversation::on_error(ReplyVerdict& verdict) {
  copy_in_ = false;
  may_say_more_ |= sync_in_copy_;
  sync_in_copy_ = false;
  const Entry* next = front();
  if (!next) {
    // A FATAL of the server's own accord, or an error after a Flush: the client should see it. While skipping the
    // server says nothing, so another error then would answer nothing.
    if (batch_open_) skipping_ = true;
    return;
  }
  if (next->kind == Owed::sync) return;                 // the commit at the Sync failed; ReadyForQuery follows
  verdict.mark = next->mark;
  if (!extended(next->kind)) {                          // ReadyForQuery follows by itself
    query_failed_ = answered_ = true;
    return;
  }
  bool clients = false;
  verdict.failed_is_noted = next->noted;
  while (const Entry* e = front()) {
    if (e->kind == Owed::sync) break;
    clients |= e->whom == For::client;
    verdict.statements += e->kind == Owed::execute && e->whom == For::client;
    verdict.notes_dropped += e->noted;
    drop();
  }
  verdict.failed = verdict.statements > 0;
  if (!front()) skipping_ = true;
  // A Parse that we sent for the client: the client's own statement fails with it. A batch of ours alone is ours.
  if (clients || !front() || front()->whom == For::client) verdict.disposition = Disposition::forward;
}

void Conversation::on_ready(ReplyVerdict& verdict, char status) {
  transaction_ = status == 'T'   ? TxStatus::in_transaction
                 : status == 'E' ? TxStatus::failed
                                 : TxStatus::idle;
  if (status != 'T' && status != 'E' && status != 'I') return desync(verdict);
  copy_in_ = false;
  if (const Entry* next = front(); next && (next->kind == Owed::sync || next->kind == Owed::query ||
                                            next->kind == Owed::function_call)) {
    if (next->kind != Owed::sync) {
      if (!answered_) return may_say_more_ ? void() : desync(verdict);   // it answers something older
      answered_ = false;
      verdict.statements = next->whom == For::client;
      verdict.failed = query_failed_;
      query_failed_ = false;
    }
    pop();
    drop_settled();
    return;
  }
  if (!front() && skipping_) {
    // A Sync that went out while COPY IN ran and that the server met only after the COPY had failed.
    skipping_ = batch_open_ = false;
    return;
  }
  if (!front() && may_say_more_) return;
  desync(verdict);
}

// The server ignores every Sync up to the end of the COPY: those already sent are owed nothing.
void Conversation::on_copy_in() {
  copy_in_ = true;
  const bool extended_query = front_is(Owed::execute);
  auto from = owed_.begin() + static_cast<std::ptrdiff_t>(head_) + 1;
  auto end_of_copy =
      std::find_if(from, owed_.end(), [](const Entry& e) { return e.kind == Owed::copy_end; });
  const bool ended = end_of_copy != owed_.end();
  if (ended) copy_in_ = false;
  auto dropped =
      std::remove_if(from, end_of_copy, [](const Entry& e) { return e.kind == Owed::sync; });
  sync_in_copy_ |= dropped != end_of_copy;
  ends_owed_ -= static_cast<unsigned>(end_of_copy - dropped);
  auto rest = owed_.erase(dropped, ended ? end_of_copy + 1 : end_of_copy);
  const bool synced = std::any_of(rest, owed_.end(), [](const Entry& e) { return e.kind == Owed::sync; });
  if (extended_query && !synced) batch_open_ = true;
}

void Conversation::forget_spent() {
  owed_.erase(owed_.begin(), owed_.begin() + static_cast<std::ptrdiff_t>(head_));
  head_ = 0;
}

void Conversation::desync(ReplyVerdict& verdict) {
  out_of_sync_ = true;
  verdict.disposition = Disposition::out_of_sync;
}

}  // namespace pgweir
