#include "proxy/policy/session_report.h"

#include "protocol/framer.h"
#include "protocol/wire.h"

namespace pgweir::policy {

void for_each_fact(Bytes rows, const std::function<void(const SessionFact&)>& tell) {
  Framer messages(Direction::from_server);
  while (const auto piece = messages.next(rows)) {
    WireReader reader(piece->body());
    if (reader.u16() != 3) continue;
    std::optional<std::string_view> fields[3];
    for (auto& field : fields) {
      const std::int32_t length = reader.i32();
      if (length >= 0) field = length > 0 ? as_text(reader.bytes(static_cast<std::size_t>(length))) : std::string_view{};
    }
    tell({fields[0].value_or(""), fields[1].value_or(""), fields[2]});
  }
}

}  // namespace pgweir::policy
