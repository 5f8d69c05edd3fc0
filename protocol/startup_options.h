// The startup parameter `options` where not all of it need be understood; startup.h has the strict reader.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir {

// The settings in `options`; words that are no part of one are passed over.
std::vector<std::pair<std::string, std::string>> understood_startup_options(std::string_view options);

}  // namespace pgweir
