// Fuzzes everything that reads configuration text: ini, connection strings, userlist, URL.
//
// The input is main.ini; it may include itself, and its auth_file may be itself as well.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/change.h"
#include "config/effective.h"
#include "config/loader.h"
#include "config/userlist.h"

using namespace pgweir;

namespace {

// Touches what the core asks of a configuration, and its reload into itself.
void use(const Config& config) {
  for (const auto& [name, database] : config.databases) {
    pool_limits(config, *database, pool_user(*database, name));
    client_limits(config, *database, name);
  }
  Changes changes = compare(config, apply_reload_rules(config, config));
  if (!changes.databases_removed.empty() || !changes.databases_to_recycle.empty() ||
      !changes.settings_changed.empty()) {
    __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  Loaded loaded = load("main.ini", [&text](const std::string& path) -> std::optional<std::string> {
    if (path != "main.ini") return std::nullopt;
    return text;
  });
  // Exactly the files without an error give a configuration.
  bool broken = false;
  for (const Mistake& mistake : loaded.mistakes) broken = broken || !mistake.warning;
  if (broken != (loaded.config == nullptr)) __builtin_trap();
  check_report(loaded);
  if (loaded.config) use(*loaded.config);

  parse_userlist(text, "users");
  Loaded from = from_url(text);
  if (from.config) use(*from.config);
  return 0;
}
