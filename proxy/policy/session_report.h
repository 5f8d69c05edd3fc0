// What a server says of its session when it is asked by session_question() or settings_question().
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>

#include "protocol/bytes.h"

namespace pgweir::policy {

struct SessionFact {
  std::string_view kind;                   // setting, custom, lock, cursor, channel, temp
  std::string_view name;                   // of a setting, a channel; empty elsewhere
  std::optional<std::string_view> value;   // NULL: the setting has none
};

// `rows`: whole DataRow messages. What the facts point to lives as long as `rows`.
void for_each_fact(Bytes rows, const std::function<void(const SessionFact&)>& tell);

// Something that stays with the session, of which there is at least one.
inline bool is_there(const SessionFact& fact) { return fact.kind != "setting" && fact.kind != "custom" && fact.value && *fact.value != "0"; }

}  // namespace pgweir::policy
