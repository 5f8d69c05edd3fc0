// What was done so that no client sees another one's session. Numbers of one pool on one worker; they only grow.
#pragma once

#include <array>
#include <cstdint>

namespace pgweir {

// Why a server stays with its client outside of transactions.
enum class PinReason : std::uint8_t {
  none,
  advisory_lock,
  held_cursor,       // WITH HOLD
  channel,           // LISTEN
  temporary,         // a temporary table, view, ...
  library,           // LOAD
  unreadable,        // a setting whose name is not in the text
  policy,            // session_state=pin
  unknown,           // the server did not tell what is there, or it is too much to take along
  sequence,          // its clients ask currval() or lastval()
  random_seed,       // setseed()
};
inline constexpr std::size_t pin_reasons = 11;
constexpr const char* text_of(PinReason reason) {
  constexpr const char* texts[pin_reasons] = {"",        "advisory_lock",      "held_cursor",   "channel", "temporary",
                                              "library", "unreadable_setting", "session_state", "unknown", "sequence", "random_seed"};
  return texts[static_cast<std::size_t>(reason)];
}

// Only the end of the session takes it away.
constexpr bool outlasts_discard(PinReason reason) { return reason == PinReason::library || reason == PinReason::random_seed; }

// What looks have found after calls of a function whose source nobody reads.
struct FunctionTrust {
  std::uint32_t clean_looks = 0;
  std::uint32_t calls = 0;
  bool dirty = false;                // it has left something at least once
};

struct IsolationCounts {
  std::uint64_t replays = 0;         // a server was given the settings of its next client
  std::uint64_t looks = 0;           // a server was asked what its client has set
  std::uint64_t full_looks = 0;      // ... and what else is there
  std::uint64_t cleaned = 0;         // DISCARD ALL after a client that has left
  std::uint64_t refused = 0;         // statements, by session_state=refuse
  std::uint64_t audits = 0;          // an idle server was asked for everything its session has
  std::uint64_t leaks_detected = 0;  // a server had something of a client's that it must not have had any more
  std::array<std::uint64_t, pin_reasons> pins{};

  IsolationCounts& operator+=(const IsolationCounts& other) {
    replays += other.replays, looks += other.looks, full_looks += other.full_looks, cleaned += other.cleaned;
    audits += other.audits, refused += other.refused, leaks_detected += other.leaks_detected;
    for (std::size_t i = 0; i < pin_reasons; ++i) pins[i] += other.pins[i];
    return *this;
  }
};

}  // namespace pgweir
