// SHOW USERS.
#include <array>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 8> columns = {{
    {"name"},
    {"pool_size"},
    {"reserve_pool_size"},
    {"pool_mode"},
    {"max_user_connections", int4},
    {"current_connections", int4},
    {"max_user_client_connections", int4},
    {"current_client_connections", int4},
}};

// A text with leading blanks, or an empty one: so PgBouncer has it.
std::string print_size(const std::optional<int>& size) {
  return size ? fmt::format("{:9d}", *size) : std::string();
}

Row row_of(const std::string& name, const ShowContext& context) {
  static const UserConfig nothing_said;
  const UserConfig* found = context.config.user(name);
  const UserConfig& user = found ? *found : nothing_said;
  const Globals& globals = context.config.globals;
  const Ledger::Counts counts = context.ledger.user_counts(name);
  return {name,
          print_size(user.pool_size),
          print_size(user.reserve_pool_size),
          user.pool_mode ? Cell(std::string(name_of(*user.pool_mode))) : Cell(),
          number(user.max_user_connections.value_or(globals.max_user_connections)),
          number(counts.servers),
          number(user.max_user_client_connections.value_or(globals.max_user_client_connections)),
          number(counts.clients)};
}

std::vector<Row> rows(const ShowContext& context) {
  std::vector<Row> result;
  for (const std::string& name : known_users(context.config)) {
    result.push_back(row_of(name, context));
  }
  return result;
}

}  // namespace

constinit const Show show_users{"users", Wants::nothing, columns, rows};

std::set<std::string> known_users(const Config& config) {
  std::set<std::string> known{std::string(console_database)};
  for (const auto& [name, secret] : config.userlist) known.insert(name);
  for (const auto& [name, user] : config.users) known.insert(name);
  return known;
}

}  // namespace pgweir
