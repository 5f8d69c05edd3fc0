// Messages as text, for the simulated peers. Written apart from protocol/, so that a mistake there
// is not made twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir::sim {

inline std::string be32(std::uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}
inline std::string be16(unsigned v) {
  return {static_cast<char>(v >> 8), static_cast<char>(v)};
}
inline std::uint32_t read_be32(std::string_view at) {
  return load_be32(reinterpret_cast<const std::byte*>(at.data()));
}
inline std::string zero_ended(std::string_view text) {
  return std::string(text) + '\0';
}

inline std::string message(char tag, std::string_view body) {
  std::string m(1, tag);
  m += be32(static_cast<std::uint32_t>(body.size() + 4));
  m += body;
  return m;
}

// --- what clients say
inline std::string startup(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string body = be32(196608);
  for (const auto& [name, value] : parameters) body += zero_ended(name) + zero_ended(value);
  body += '\0';
  return be32(static_cast<std::uint32_t>(body.size() + 4)) + body;
}
inline std::string cancel_packet(std::uint32_t pid, std::string_view key) {
  return be32(static_cast<std::uint32_t>(12 + key.size())) + be32(80877102) + be32(pid) +
         std::string(key);
}
inline std::string query(std::string_view sql) {
  return message('Q', zero_ended(sql));
}
inline std::string parse(std::string_view name, std::string_view sql) {
  return message('P', zero_ended(name) + zero_ended(sql) + be16(0));
}
inline std::string bind_message(std::string_view portal, std::string_view statement) {
  return message('B', zero_ended(portal) + zero_ended(statement) + be16(0) + be16(0) + be16(0));
}
inline std::string describe(char kind, std::string_view name) {
  return message('D', kind + zero_ended(name));
}
inline std::string execute(std::string_view portal, std::uint32_t rows = 0) {
  return message('E', zero_ended(portal) + be32(rows));
}
inline std::string close_message(char kind, std::string_view name) {
  return message('C', kind + zero_ended(name));
}
inline std::string sync_message() {
  return message('S', "");
}
inline std::string flush() {
  return message('H', "");
}
inline std::string terminate() {
  return message('X', "");
}
inline std::string copy_data(std::string_view data) {
  return message('d', data);
}
inline std::string copy_done() {
  return message('c', "");
}
inline std::string copy_fail(std::string_view why) {
  return message('f', zero_ended(why));
}
inline std::string function_call(std::uint32_t oid, std::string_view argument) {
  return message('F', be32(oid) + be16(0) + be16(1) +
                          be32(static_cast<std::uint32_t>(argument.size())) +
                          std::string(argument) + be16(0));
}
inline std::string password(std::string_view text) {
  return message('p', zero_ended(text));
}

// --- what servers say
inline std::string report(char tag, std::string_view severity, std::string_view code,
                          std::string_view text) {
  return message(
      tag, "S" + zero_ended(severity) + "C" + zero_ended(code) + "M" + zero_ended(text) + '\0');
}
inline std::string error(std::string_view code, std::string_view text) {
  return report('E', "ERROR", code, text);
}
inline std::string fatal(std::string_view code, std::string_view text) {
  return report('E', "FATAL", code, text);
}
inline std::string ready(char status) {
  return message('Z', std::string(1, status));
}
inline std::string complete(std::string_view tag) {
  return message('C', zero_ended(tag));
}
inline std::string parameter(std::string_view name, std::string_view value) {
  return message('S', zero_ended(name) + zero_ended(value));
}
inline std::string row_description() {
  return message('T', be16(1) + zero_ended("value") + be32(0) + be16(0) + be32(25) + be16(0xffff) +
                          be32(~0u) + be16(0));
}
inline std::string data_row(std::string_view value) {
  return message('D',
                 be16(1) + be32(static_cast<std::uint32_t>(value.size())) + std::string(value));
}

// The first message of `bytes` if it is all there; it is not removed.
inline std::optional<std::string_view> first_message(std::string_view bytes) {
  if (bytes.size() < 5) return std::nullopt;
  const std::size_t size = read_be32(bytes.substr(1)) + std::size_t{1};
  if (bytes.size() < size) return std::nullopt;
  return bytes.substr(0, size);
}
// The value of a field of an ErrorResponse or NoticeResponse.
inline std::string field(std::string_view whole, char code) {
  std::string_view body = whole.substr(5);
  while (body.size() > 1) {
    const std::size_t end = body.find('\0');
    if (end == std::string_view::npos) break;
    if (body[0] == code) return std::string(body.substr(1, end - 1));
    body.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace pgweir::sim
