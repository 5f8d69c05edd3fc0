#include "protocol/startup.h"
#include "protocol/startup_options.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/compose.h"
#include "protocol/wire.h"

using namespace pgweir;

namespace {

Buffer packet(std::uint32_t code, std::string_view payload) {
  Buffer buffer;
  WireWriter writer(buffer);
  writer.begin_untagged();
  writer.u32(code);
  writer.text(payload);
  writer.end();
  return buffer;
}

constexpr std::uint32_t version(unsigned major, unsigned minor) {
  return major << 16 | minor;
}

using Settings = std::vector<std::pair<std::string, std::string>>;

}  // namespace

TEST_CASE("a StartupMessage gives its parameters in order") {
  const compose::Parameter given[] = {{"user", "anna"}, {"database", ""}, {"user", "berta"}};
  Buffer buffer;
  compose::startup_message(buffer, given);
  const StartupPacket parsed = parse_startup(buffer);
  CHECK(parsed.kind == StartupKind::startup);
  CHECK(parsed.major == 3);
  CHECK(parsed.minor == 0);
  REQUIRE(parsed.parameters.size() == 3);
  CHECK(parsed.parameters[0].first == "user");
  CHECK(parsed.parameters[0].second == "anna");
  CHECK(parsed.parameter("user") == "berta");
  CHECK(parsed.parameter("database") == "");
  CHECK_FALSE(parsed.parameter("options").has_value());
}

TEST_CASE("T61: the size of a packet is known from its first bytes, however they are cut") {
  const compose::Parameter given[] = {{"user", "anna"}};
  Buffer buffer;
  compose::startup_message(buffer, given);
  for (std::size_t here = 0; here <= buffer.size(); ++here) {
    const StartupSize size = startup_size(Bytes(buffer).first(here));
    if (here < 4) {
      CHECK(size.verdict == StartupSize::Verdict::unknown);
    } else {
      CHECK(size.verdict == StartupSize::Verdict::known);
      CHECK(size.bytes == buffer.size());
    }
  }
}

TEST_CASE("T61: a StartupMessage cut at any byte is bad, whatever its length field says") {
  const compose::Parameter given[] = {{"user", "anna"}, {"database", "shop"}};
  Buffer whole;
  compose::startup_message(whole, given);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(parse_startup(cut).kind == StartupKind::bad);
    if (size < startup_header_bytes) continue;
    store_be32(cut.data(), static_cast<std::uint32_t>(size));
    const StartupPacket parsed = parse_startup(cut);
    CHECK(parsed.kind == StartupKind::bad);
    CHECK(parsed.flaw == StartupFlaw::bad_layout);
  }
}

TEST_CASE("T61: lengths out of bounds are refused with the first bytes that show it") {
  struct Row {
    std::string_view beginning;
    StartupSize::Verdict verdict;
  };
  using namespace std::string_view_literals;
  const Row rows[] = {
      {"\x16"sv, StartupSize::Verdict::bad},        // a TLS record
      {"Q"sv, StartupSize::Verdict::bad},           // a typed message
      {"\0\x01"sv, StartupSize::Verdict::bad},      // 65536 and more
      {"\0\xa0\0\0"sv, StartupSize::Verdict::bad},  // 10 MB
      {"\0\0"sv, StartupSize::Verdict::unknown},
      {"\0\0\0\x07"sv, StartupSize::Verdict::bad},  // shorter than its header
      {"\0\0\0\0"sv, StartupSize::Verdict::bad},
      {"\0\0\0\x08"sv, StartupSize::Verdict::known},
      {"\0\0\xff\xff"sv, StartupSize::Verdict::known},  // the largest
      {"\xff\xff\xff\xff"sv, StartupSize::Verdict::bad},
  };
  for (const Row& row : rows) {
    CAPTURE(header_hex(as_bytes(row.beginning)));
    CHECK(startup_size(as_bytes(row.beginning)).verdict == row.verdict);
  }
}

TEST_CASE("T61: the largest packet is read whole") {
  std::string payload = "user";
  payload += '\0';
  payload += std::string(startup_bytes_max - startup_header_bytes - payload.size() - 2, 'x');
  payload += std::string(2, '\0');
  const Buffer buffer = packet(protocol_3_0, payload);
  CHECK(buffer.size() == startup_bytes_max);
  const StartupPacket parsed = parse_startup(buffer);
  CHECK(parsed.kind == StartupKind::startup);
  CHECK(parsed.parameters.at(0).second.size() > 65'000);
}

TEST_CASE("requests without a body are told apart, and must have none") {
  struct Row {
    std::uint32_t code;
    StartupKind kind;
  };
  for (const Row& row : {Row{ssl_request_code, StartupKind::ssl_request},
                         Row{gssenc_request_code, StartupKind::gssenc_request}}) {
    CHECK(parse_startup(packet(row.code, "")).kind == row.kind);
    CHECK(parse_startup(packet(row.code, "x")).kind == StartupKind::bad);
  }
}

TEST_CASE("every protocol version has its kind") {
  const std::string_view user("user\0u\0\0", 8);
  struct Row {
    std::uint32_t code;
    StartupKind kind;
  };
  const Row rows[] = {
      {version(2, 0), StartupKind::protocol_2}, {version(2, 5), StartupKind::protocol_2},
      {version(3, 0), StartupKind::startup},    {version(3, 2), StartupKind::startup},
      {version(3, 9999), StartupKind::startup}, {version(4, 0), StartupKind::bad},
      {version(1, 0), StartupKind::bad},        {version(0, 0), StartupKind::bad},
      {version(1234, 1), StartupKind::bad},
  };
  for (const Row& row : rows) {
    CAPTURE(row.code);
    CHECK(parse_startup(packet(row.code, user)).kind == row.kind);
  }
  CHECK(parse_startup(packet(version(4, 0), user)).flaw == StartupFlaw::bad_header);
  CHECK(header_hex(packet(version(4, 0), user)) == "0000001000040000");
}

TEST_CASE("the terminator must be the last byte") {
  using namespace std::string_view_literals;
  for (const std::string_view payload :
       {"user\0u\0\0x"sv, "user\0u\0"sv, "user\0u"sv, "user\0\0"sv, ""sv, "\0\0"sv}) {
    const StartupPacket parsed = parse_startup(packet(protocol_3_0, payload));
    CHECK(parsed.kind == StartupKind::bad);
    CHECK(text_of(parsed.flaw) ==
          "invalid startup packet layout: expected terminator as last byte");
  }
  CHECK(parse_startup(packet(protocol_3_0, "\0"sv)).kind == StartupKind::startup);
}

TEST_CASE("a cancel key has 4 to 256 bytes") {
  for (std::size_t size = 0; size <= 300; ++size) {
    const std::string key(size, 'k');
    Buffer buffer;
    compose::cancel_request(buffer, 77, as_bytes(key));
    const StartupPacket parsed = parse_startup(buffer);
    if (size >= 4 && size <= 256) {
      CHECK(parsed.kind == StartupKind::cancel_request);
      CHECK(parsed.cancel_pid == 77);
      CHECK(as_text(parsed.cancel_key) == key);
    } else {
      CHECK(parsed.kind == StartupKind::bad);
    }
  }
  CHECK(parse_startup(packet(cancel_request_code, "abc")).kind == StartupKind::bad);
}

TEST_CASE("options are read as PostgreSQL reads them, and only -c and --name") {
  struct Row {
    std::string_view text;
    std::optional<Settings> settings;
  };
  const Row rows[] = {
      {"", Settings{}},
      {"  ", Settings{}},
      {"-c a=b", Settings{{"a", "b"}}},
      {"-ca=b", Settings{{"a", "b"}}},
      {"--a=b", Settings{{"a", "b"}}},
      {"  -c  a=b   --c-d=e ", Settings{{"a", "b"}, {"c_d", "e"}}},
      {"-c a=", Settings{{"a", ""}}},
      {"-c a=b=c", Settings{{"a", "b=c"}}},
      {"-c a=b\\ c\\\\d", Settings{{"a", "b c\\d"}}},
      {"-c a=b\\", Settings{{"a", "b"}}},
      {"-c search_path=x,\\ y\t-c t=1", Settings{{"search_path", "x, y"}, {"t", "1"}}},
      {"-c a", std::nullopt},
      {"-c", std::nullopt},
      {"--", std::nullopt},
      {"--=b", std::nullopt},
      {"-c =b", std::nullopt},
      {"-d 5", std::nullopt},
      {"a=b", std::nullopt},
      {"-c a=b junk", std::nullopt},
      {"\\-c a=b", std::nullopt},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(parse_startup_options(row.text) == row.settings);
  }
}

TEST_CASE("of options that are not understood the others can be had") {
  CHECK(understood_startup_options("-c a=b --c-d=e") == Settings{{"a", "b"}, {"c_d", "e"}});
  CHECK(understood_startup_options("-e -c a=b -S 1000 --=x --c=d -") == Settings{{"a", "b"}, {"c", "d"}});
  CHECK(understood_startup_options("junk -cf=g\\ h -c") == Settings{{"f", "g h"}});
  CHECK(understood_startup_options("-x").empty());
}

TEST_CASE("minor versions above 2 and unknown extensions are negotiated, 3.0 and 3.2 are not") {
  using namespace std::string_view_literals;
  const auto wanted = [](std::uint32_t code, std::string_view payload) {
    const Buffer buffer = packet(code, payload);
    const auto negotiation = negotiation_for(parse_startup(buffer));
    return negotiation ? static_cast<int>(negotiation->unknown_extensions.size()) : -1;
  };
  CHECK(wanted(version(3, 0), "user\0u\0\0"sv) == -1);
  CHECK(wanted(version(3, 2), "user\0u\0\0"sv) == -1);
  CHECK(wanted(version(3, 3), "user\0u\0\0"sv) == 0);
  CHECK(wanted(version(3, 0), "_pq_.foo\0 1\0user\0u\0_pq_.bar\0\0\0"sv) == 2);
  CHECK(wanted(version(2, 0), ""sv) == -1);
  CHECK(wanted(ssl_request_code, ""sv) == -1);
}

TEST_CASE("what is spoken is at most what was asked for, and at most 3.2") {
  using namespace std::string_view_literals;
  const auto newest = [](std::uint32_t code) {
    const Buffer buffer = packet(code, "_pq_.foo\0 1\0\0"sv);
    return negotiation_for(parse_startup(buffer))->newest;
  };
  CHECK(newest(version(3, 0)) == version(3, 0));
  CHECK(newest(version(3, 1)) == version(3, 1));
  CHECK(newest(version(3, 2)) == version(3, 2));
  CHECK(newest(version(3, 9999)) == version(3, 2));
}

TEST_CASE("T40: a packet full of _pq_. parameters is answered within its own size") {
  using namespace std::string_view_literals;
  std::string payload;
  while (payload.size() + 9 < startup_bytes_max - startup_header_bytes) payload += "_pq_.x\0\0"sv;
  payload += '\0';
  const Buffer buffer = packet(protocol_3_0, payload);
  const StartupPacket parsed = parse_startup(buffer);
  REQUIRE(parsed.kind == StartupKind::startup);
  const auto negotiation = negotiation_for(parsed);
  REQUIRE(negotiation.has_value());
  CHECK(negotiation->unknown_extensions.size() == parsed.parameters.size());
  CHECK(parsed.parameters.size() > 8000);
  Buffer reply;
  compose::negotiate_protocol_version(reply, protocol_3_0, negotiation->unknown_extensions);
  CHECK(reply.size() <= buffer.size() + 16);
}

TEST_CASE("T40: a hundred thousand _pq_. parameters do not fit a packet") {
  Buffer buffer = packet(protocol_3_0, std::string(800'000, 'x'));
  CHECK(startup_size(buffer).verdict == StartupSize::Verdict::bad);
  CHECK(parse_startup(buffer).kind == StartupKind::bad);
}
