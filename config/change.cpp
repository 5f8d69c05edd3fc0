#include "config/change.h"

#include <tuple>

#include "config/settings.h"

namespace pgweir {

namespace {

void compare_databases(const Config& old, const Config& fresh, Changes& changes) {
  for (const auto& [name, before] : old.databases) {
    if (!fresh.databases.contains(name)) changes.databases_removed.push_back(name);
  }
  for (const auto& [name, now] : fresh.databases) {
    if (!old.databases.contains(name)) changes.databases_added.push_back(name);
    DatabasePtr before = old.database(name);
    if (before && must_recycle(*before, *now)) changes.databases_to_recycle.push_back(name);
  }
  changes.fallback_removed = old.fallback && !fresh.fallback;
  changes.fallback_to_recycle =
      old.fallback && fresh.fallback && must_recycle(*old.fallback, *fresh.fallback);
}

void compare_settings(const Globals& old, const Globals& fresh, Changes& changes) {
  for (const Setting& row : settings()) {
    if (print_value(row, old) == print_value(row, fresh)) continue;
    auto& list = row.changeable() ? changes.settings_changed : changes.settings_needing_restart;
    list.emplace_back(row.name);
  }
}

}  // namespace

bool must_recycle(const DatabaseConfig& old, const DatabaseConfig& fresh) {
  auto route = [](const DatabaseConfig& d) {
    return std::tie(d.server_database(), d.hosts, d.port, d.user, d.connect_query, d.auth_dbname,
                    d.auth_query, d.load_balance_hosts);
  };
  return route(old) != route(fresh);
}

Changes compare(const Config& old, const Config& fresh) {
  Changes changes;
  compare_databases(old, fresh, changes);
  compare_settings(old.globals, fresh.globals, changes);
  changes.users_changed = old.users != fresh.users;
  changes.userlist_changed = fresh.userlist_read && old.userlist != fresh.userlist;
  return changes;
}

Config apply_reload_rules(const Config& old, Config fresh) {
  for (const Setting& row : settings()) {
    if (row.changeable()) continue;
    std::visit([&](auto member) { fresh.globals.*member = old.globals.*member; }, row.member);
  }
  if (!fresh.userlist_read) fresh.userlist = old.userlist;
  if (!fresh.hba_good && old.hba) fresh.hba = old.hba;
  split_lists(fresh);
  return fresh;
}

}  // namespace pgweir
