// What a client has set that changes what a text means or how it is planned: the same text is then another statement.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/policy/parameters.h"
#include "proxy/policy/session_settings.h"

namespace pgweir::policy {

// Immutable; may be shared with other workers.
struct Planning {
  std::string words;               // what is set: `name=value`, each with a zero byte behind it
  std::uint64_t hash = 0;
};
using SharedPlanning = std::shared_ptr<const Planning>;   // null: nothing that is known

bool same_planning(const SharedPlanning& a, const SharedPlanning& b);
inline std::uint64_t hash_of(const SharedPlanning& planning) { return planning ? planning->hash : 0; }

// Whether a setting, in lower case, can change what a text means or how it is planned. What is not known to be harmless
// can; a setting of no module cannot, but by functions that ask for it when they run.
//
// Literals count: PostgreSQL reads '01/02/2020'::date when it parses. So does who one is: a text that depends on row-level
// security would be planned anew each time that another role comes.
bool changes_planning(std::string_view setting);

// What an open transaction has set is not known; but the same steps from the same beginning lead to the same. Owned by
// the server connection; of its current client.
struct PlanningSteps {
  std::uint64_t mark = 0;          // tells the steps apart; 0: there are none
  SharedPlanning before, since;    // without the steps and with them
};
// `base` and what was set on top of it in steps; equal steps are equal.
SharedPlanning with_steps(const SharedPlanning& base, std::uint64_t mark);

// Whether `sql` may set such a setting, for its transaction or longer: SET, RESET, set_config().
bool sets_planning(std::string_view sql);

// ... by values that are parameters. Numbers of the parameters ($1 is 1) that hold values for such settings in the set_config() calls of `sql`. False: there
// is a call of which that cannot be said.
bool planning_values(std::string_view sql, std::vector<std::uint16_t>& numbers);
// Whether `sql` has a literal that means the time of its Parse: 'now', 'today', 'tomorrow', 'yesterday'.
bool reads_clock(std::string_view sql);
// Whether `sql` may end a transaction or go back in it.
bool may_undo(std::string_view sql);

// The last few answers, since most clients have set the same. Owned by a worker.
class PlanningCache {
 public:
  const SharedPlanning& of(const TrackedParameters& tracked, const SharedParameters& parameters, const SharedSettings& settings);

 private:
  struct Entry {
    SharedParameters parameters;
    SharedSettings settings;
    SharedPlanning planning;
    bool used = false;
  };
  std::array<Entry, 64> entries_;
};

}  // namespace pgweir::policy
