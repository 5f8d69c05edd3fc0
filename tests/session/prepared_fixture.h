// What the scenarios of prepared statements share.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/session/session_fixture.h"

namespace pgweir::sim {

using ParameterList = std::vector<std::pair<std::string, std::string>>;
constexpr const char* star = "any STAR";

inline std::string run(std::string_view name) { return bind_message("", name) + execute("") + sync_message(); }
inline std::string described(std::string_view name) { return bind_message("", name) + describe('P', "") + execute("") + sync_message(); }
inline std::string by_message(std::string_view sql) { return parse("", sql) + bind_message("", "") + execute("") + sync_message(); }

// A house whose clients say things and hear tags, codes and values.
struct House : Calm {
  using Calm::Calm;
  explicit House(int servers, int statements = 200)
      : Calm([=](Config& c) {
          c.globals.default_pool_size = servers;
          c.globals.max_prepared_statements = statements;
          c.databases["db2"] = SimHouse::database_entry("db2");
        }) {}

  // The names that a backend has.
  std::vector<std::string> names(std::size_t backend = 0) { return backends().at(backend)->session().prepared(); }
};

struct Teller : Client {
  using Client::Client;
  // Everything up to the ReadyForQuery, as tags with errors' codes: "12EZ(26000)".
  std::string say(const std::string& bytes, int readies = 1) {
    send(bytes);
    for (int i = 0; i < readies; ++i) REQUIRE(wait_ready());
    return told();
  }
  std::string told() {
    std::string tags, codes;
    values.clear();
    for (const std::string& message : take()) {
      if (message[0] == 'S') continue;
      tags += message[0];
      if (message[0] == 'E') codes += (codes.empty() ? "" : ",") + field(message, 'C'), error = field(message, 'M');
      if (message[0] == 'D') values.push_back(message.substr(11));
    }
    return codes.empty() ? tags : tags + "(" + codes + ")";
  }
  void prepare(const std::string& name, const std::string& sql) { REQUIRE(say(parse(name, sql) + sync_message()) == "1Z"); }
  // The value of the first row.
  std::string value() const { return values.empty() ? "" : values[0].substr(0, values[0].find('#')); }
  std::vector<std::string> values;
  std::string error;
};

}  // namespace pgweir::sim

