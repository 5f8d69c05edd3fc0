// A table as the console sends it: columns as data, cells as text.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/compose.h"
#include "proxy/core/time.h"

namespace pgweir {

using Columns = std::span<const compose::Column>;
// A cell in text format; nothing stands for NULL.
using Cell = std::optional<std::string>;
using Row = std::vector<Cell>;

// One unsigned or signed number, in decimal.
template <typename Number>
Cell number(Number value) {
  return std::to_string(value);
}
// Nothing for an empty text: NULL.
Cell text_or_null(std::string_view text);
// `2026-11-20 21:24:27 UTC`, in the machine's zone.
std::string print_time(WallTime time);

// RowDescription, the rows, CommandComplete `SHOW`. Every row has as many cells as there are
// columns.
void append_table(Buffer& out, Columns columns, const std::vector<Row>& rows);

}  // namespace pgweir
