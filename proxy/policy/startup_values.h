// What a client said in its StartupMessage is what its settings go back to, as on a connection of its own, though its
// servers have begun with values of their own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/sql/resets.h"
#include "proxy/policy/parameters.h"
#include "proxy/policy/prepared/sql_plan.h"
#include "proxy/policy/session_settings.h"

namespace pgweir::policy {

// All that it said, whether PostgreSQL reports it or not. Null: nothing.
SharedSettings startup_values(const TrackedParameters& tracked, const SharedParameters& parameters, const SharedSettings& settings);

// Those values among them that the server will have lost behind such a statement.
SessionSettings lost_by(const SharedSettings& startup, const sql::Reset& reset);

// Whether one of the names is among what it said.
bool names_any(const SharedSettings& startup, const std::vector<std::string>& names);

// `settings`, which a look has told, and the startup's values of what is not set any more. A role that is not set was set
// to none: RESET ROLE is followed by the startup's role.
SharedSettings with_startup(SharedSettings settings, const SharedSettings& startup, const TrackedParameters& tracked);

// As it stands behind SET name TO. Nothing: the value cannot be said in every encoding, or is no list of names.
std::optional<std::string> words_of(std::string_view name, std::string_view value);

// The same, where SHOW then tells the value as it was said: a list of names is told with PostgreSQL's own spaces and quotes.
std::optional<std::string> exact_words_of(std::string_view name, std::string_view value);

// A client's text as its server is to be told it.
struct RestoringText {
  std::string text;                // empty: the client's own
  std::vector<SqlEdit> edits;
  std::vector<bool> sets;          // of each SET that will be answered, whether it is ours; empty: none is
  SessionSettings behind;          // to be set again when it is done
  bool discards = false;           // ... which is done, whatever comes behind it in the same breath
};
// `parse`: it stands in a Parse, which is told when its portal is executed what comes behind it.
RestoringText restoring(std::string_view sql, const SharedSettings& startup, bool parse);

}  // namespace pgweir::policy
