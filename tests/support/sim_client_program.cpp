// What a random client says.
#include "tests/support/sim_client.h"
#include "tests/support/sim_wire.h"

namespace pgweir::sim {

std::string RandomClient::tag() {
  return "c" + std::to_string(number_) + "." + std::to_string(++next_statement_) + " ";
}

std::string RandomClient::statement(bool may_fail) {
  Rng& rng = house_.world.rng;
  static const char* const settings[] = {"TimeZone='Europe/Berlin'", "TimeZone='Asia/Tokyo'",
                                         "application_name='mine'",  "DateStyle='German, DMY'",
                                         "client_encoding='LATIN1'", "TimeZone='bad'"};
  switch (rng.below(may_fail ? 11 : 8)) {
    case 0:
    case 1:
    case 2:
      return tag() + "SELECT";
    case 3:
      return tag() + "ROWS " + std::to_string(rng.between(0, 20)) + " " +
             std::to_string(rng.below(habits_.row_bytes_max));
    case 4:
      return tag() + "SHOW " +
             (rng.chance(50)   ? "TimeZone"
              : rng.chance(50) ? "DateStyle"
                               : "application_name");
    case 5:
      return tag() + "SET " + settings[rng.below(5)];
    case 6:
      return tag() + "SLEEP";
    case 7:
      return tag() + (rng.chance(50) ? "NOTICE" : "COPYOUT " + std::to_string(rng.between(0, 5)));
    case 8:
      return tag() + "SET " + settings[5];
    default:
      return tag() + "FAIL";
  }
}

std::vector<std::string> RandomClient::make_extended() {
  Rng& rng = house_.world.rng;
  std::vector<std::string> unit;
  std::string name;
  if (habits_.mode == PoolMode::session && rng.chance(30)) {
    name = "s" + std::to_string(++next_statement_);
    named_ = true;
  }
  if (habits_.names && rng.chance(50)) return make_prepared();
  const int batches = rng.between(1, 3);
  for (int b = 0; b < batches; ++b) {
    const int statements = rng.between(1, 3);
    for (int s = 0; s < statements; ++s) {
      unit.push_back(
          parse(name.empty() ? "" : name + "_" + std::to_string(b) + "_" + std::to_string(s),
                statement(true)));
      const std::string own =
          name.empty() ? "" : name + "_" + std::to_string(b) + "_" + std::to_string(s);
      if (rng.chance(30)) unit.push_back(describe('S', own));
      unit.push_back(bind_message("", own));
      if (rng.chance(50)) unit.push_back(describe('P', ""));
      unit.push_back(execute("", rng.chance(20) ? 3 : 0));
      if (rng.chance(20)) unit.push_back(execute("", 0));
      if (rng.chance(10)) unit.push_back(close_message('P', ""));
      if (rng.chance(10)) unit.push_back(flush());
    }
    unit.push_back(sync_message());
  }
  if (rng.chance(15)) {
    // Half of a batch, a Flush, and the rest when the first half has been answered.
    unit.push_back(parse("", tag() + "SELECT"));
    unit.push_back(describe('S', ""));
    unit.push_back(flush());
    continuation_ = {bind_message("", ""), execute(""), sync_message()};
  }
  return unit;
}

// Names that last: statements prepared in one batch are used in a later one, on whatever server; some are taken, some
// are not there any more. Texts that several clients have are shared by them.
std::vector<std::string> RandomClient::make_prepared() {
  Rng& rng = house_.world.rng;
  static const char* const shared[] = {"any SELECT", "any ROWS 3 10", "any SHOW TimeZone", "any NOTICE", "any FAIL"};
  std::vector<std::string> unit;
  for (int batch = rng.between(1, 3); batch > 0; --batch) {
    for (int requests = rng.between(1, 5); requests > 0; --requests) {
      const std::string name(1, static_cast<char>('a' + rng.below(4)));
      const auto kind = rng.below(10);
      if (kind < 3) {
        unit.push_back(parse(name, rng.chance(60) ? shared[rng.below(5)] : statement(true)));
      } else if (kind < 4) {
        unit.push_back(close_message('S', name));
      } else if (kind < 5) {
        unit.push_back(describe('S', name));
      } else {
        unit.push_back(bind_message("", name));
        if (rng.chance(50)) unit.push_back(describe('P', ""));
        unit.push_back(execute("", 0));
      }
      if (rng.chance(5)) unit.push_back(flush());
    }
    unit.push_back(sync_message());
    if (rng.chance(30)) unit.push_back(query(about_statements()));
  }
  return unit;
}

// One or several of PREPARE, EXECUTE and DEALLOCATE.
std::string RandomClient::about_statements() {
  Rng& rng = house_.world.rng;
  static const char* const shared[] = {"any SELECT", "any ROWS 3 10", "any SHOW TimeZone", "any FAIL"};
  std::string sql;
  for (int count = rng.chance(60) ? 1 : rng.between(2, 3); count > 0; --count) {
    const std::string name(1, static_cast<char>('a' + rng.below(4)));
    const auto kind = rng.below(10);
    if (kind < 4) sql += "PREPARE " + name + " AS " + shared[rng.below(4)];
    else if (kind < 8) sql += "EXECUTE " + name;
    else if (kind < 9) sql += "DEALLOCATE " + name;
    else sql += "DEALLOCATE ALL";     // DISCARD ALL would also forget what the client came with
    if (count > 1) sql += "; ";
  }
  return sql;
}

std::vector<std::string> RandomClient::make_copy() {
  Rng& rng = house_.world.rng;
  const std::string sql = tag() + "COPYIN";
  const bool extended = rng.chance(30);
  std::vector<std::string> unit;
  if (extended)
    unit = {parse("", sql), bind_message("", ""), execute("")};
  else
    unit = {query(sql)};
  const int lines = rng.between(0, 6);
  const bool bad = rng.chance(25);
  for (int i = 0; i < lines; ++i) {
    unit.push_back(copy_data(sql + (bad && i == lines / 2 ? " BAD" : " line") +
                             std::string(rng.below(habits_.row_bytes_max), 'y')));
    if (rng.one_in(10)) unit.push_back(flush());
  }
  unit.push_back(rng.chance(80) ? copy_done() : copy_fail("changed my mind"));
  if (extended) unit.push_back(sync_message());
  return unit;
}

std::vector<std::string> RandomClient::make_unit() {
  Rng& rng = house_.world.rng;
  const bool open = direct_.status() != 'I';
  if (habits_.mode != PoolMode::statement) {
    if (open && rng.chance(40)) return {query(tag() + (rng.chance(70) ? "COMMIT" : "ROLLBACK"))};
    if (!open && rng.chance(25)) return {query(tag() + "BEGIN")};
    if (!open && rng.chance(10))
      return {parse("", tag() + "BEGIN"), bind_message("", ""), execute(""), sync_message()};
  }
  switch (rng.below(8)) {
    case 0:
    case 1:
    case 2:
      return make_extended();
    case 3:
      return make_copy();
    case 4: {
      const std::string base = statement(true);
      return {query(base + ";" + statement(true) + ";" + statement(true)), query(statement(true))};
    }
    case 5:
      if (rng.chance(30)) return {query("")};
      if (rng.chance(30)) return {sync_message()};
      return {function_call(77, tag() + "CALL")};
    default:
      return {query(statement(true))};
  }
}

}  // namespace pgweir::sim
