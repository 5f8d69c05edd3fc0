// When a server may leave its client.
#pragma once

#include "config/config.h"
#include "protocol/conversation.h"

namespace pgweir::policy {

// A server goes back to its pool when nobody is owed anything and the mode's unit of work is over.
inline bool may_release(PoolMode mode, const Conversation& talk) {
  switch (mode) {
    case PoolMode::session:
      return false;
    case PoolMode::transaction:
      return talk.at_rest() && talk.transaction() == TxStatus::idle;
    case PoolMode::statement:
      return talk.at_rest();
  }
  return false;
}

// A server whose client has gone may serve another one only if it has nothing left to say and nothing open.
inline bool reusable_without_client(const Conversation& talk) {
  return talk.at_rest() && talk.transaction() == TxStatus::idle;
}

}  // namespace pgweir::policy
