#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

#include "config/settings.h"
#include "tests/config/memory_files.h"

using namespace pgweir;

// Runs in the root of the checkout, as ctest does.
TEST_CASE("pgbouncer.ini.example is what the table says") {
  const std::string path = "pgbouncer.ini.example";
  if (std::getenv("PGWEIR_WRITE_EXAMPLE")) std::ofstream(path) << example_ini();
  INFO("write it anew: PGWEIR_WRITE_EXAMPLE=1 test_config, run in the root of the checkout");
  CHECK((read_file(path) == example_ini()));
}

TEST_CASE("the example loads without a word, also with every line of its settings active") {
  CHECK(lines_of(load_text(example_ini()).mistakes) == Lines{});
  std::string active = example_ini();
  const auto main = active.find("[pgbouncer]");
  REQUIRE(main != std::string::npos);
  for (const Setting& row : settings()) {
    const std::string line = "\n;" + std::string(row.name) + " =";
    const auto at = active.find(line, main);
    CAPTURE(row.name);
    REQUIRE(at != std::string::npos);
    CHECK(active.find(line, at + 1) == std::string::npos);
    if (row.fallback) active.erase(at + 1, 1);
  }
  Loaded loaded = load_text(active);
  CHECK(lines_of(loaded.mistakes) == Lines{});
  REQUIRE(loaded.config);
  Globals expected = default_globals();
  expected.conffile = "main.ini";
  CHECK(loaded.config->globals == expected);
}
