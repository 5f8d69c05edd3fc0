// links: pgweir_protocol
// The first packet of a connection, from somebody nobody knows.
#include <algorithm>

#include "protocol/compose.h"
#include "protocol/startup.h"
#include "tests/fuzz/invariant.h"

using namespace pgweir;
using pgweir::fuzz::claim;

namespace {

// What was read, written again and read once more is the same.
void round_trip(const StartupPacket& packet) {
  Buffer again;
  compose::startup_message(again, packet.parameters,
                           std::uint32_t{packet.major} << 16 | packet.minor);
  const StartupPacket second = parse_startup(again);
  claim(second.kind == StartupKind::startup, "a startup packet survives being written");
  claim(second.parameters == packet.parameters, "parameters survive being written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  const StartupSize wanted = startup_size(input);
  if (wanted.verdict == StartupSize::Verdict::known) {
    claim(wanted.bytes >= startup_header_bytes && wanted.bytes <= startup_bytes_max, "bounds");
  }
  for (std::size_t here = 0; here < std::min<std::size_t>(size, 9); ++here) {
    const StartupSize early = startup_size(input.first(here));
    claim(early.verdict == StartupSize::Verdict::unknown || early.verdict == wanted.verdict,
          "a verdict is not taken back");
  }
  const StartupPacket packet = parse_startup(input);
  claim((packet.kind == StartupKind::bad) == (packet.flaw != StartupFlaw::none), "flaws are named");
  for (const auto& [name, value] : packet.parameters) parse_startup_options(value);
  if (packet.kind == StartupKind::startup) round_trip(packet);
  const auto negotiation = negotiation_for(packet);
  if (negotiation) {
    Buffer reply;
    compose::negotiate_protocol_version(reply, protocol_3_0, negotiation->unknown_extensions);
    claim(reply.size() <= size + 16, "the answer is no larger than the question");
  }
  parse_startup_options(as_text(input));
  return 0;
}
