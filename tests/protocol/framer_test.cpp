#include "protocol/framer.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/compose.h"

using namespace pgweir;

namespace {

struct Message {
  char tag;
  std::string bytes;
  bool operator==(const Message&) const = default;
};

// Feeds `input` in the portions given and puts the pieces together again.
std::vector<Message> cut(Framer& framer, Bytes input, std::vector<std::size_t> portions) {
  std::vector<Message> messages;
  portions.push_back(input.size());
  for (std::size_t portion : portions) {
    Buffer scratch(input.begin(),
                   input.begin() + static_cast<std::ptrdiff_t>(std::min(portion, input.size())));
    input = input.subspan(scratch.size());
    Bytes left = scratch;
    while (auto piece = framer.next(left)) {
      if (piece->starts) messages.push_back({piece->tag, {}});
      REQUIRE(!messages.empty());
      CHECK(messages.back().tag == piece->tag);
      messages.back().bytes += as_text(piece->bytes);
      if (piece->ends) CHECK(messages.back().bytes.size() == std::size_t{piece->length} + 1);
    }
    framer.end_turn();
  }
  return messages;
}

Buffer client_talk() {
  Buffer out;
  compose::query(out, "select 1");
  compose::parse(out, "name", "select $1");
  compose::bind(out, "", "name");
  compose::describe(out, 'P', "");
  compose::execute(out, "");
  compose::sync(out);
  compose::flush(out);
  compose::terminate(out);
  return out;
}

Buffer server_talk() {
  Buffer out;
  compose::parse_complete(out);
  compose::bind_complete(out);
  compose::row_description(out, std::vector<compose::Column>{{"column", 25}});
  compose::data_row(out, std::vector<std::optional<std::string_view>>{std::string_view("value")});
  compose::command_complete(out, "SELECT 1");
  compose::error_response(out, "ERROR", "42601", "syntax error");
  compose::parameter_status(out, "TimeZone", "UTC");
  compose::ready_for_query(out);
  return out;
}

void split_everywhere(Direction direction, const Buffer& talk) {
  Framer reference(direction);
  const auto whole = cut(reference, talk, {});
  CHECK(reference.between_messages());
  for (std::size_t first = 0; first <= talk.size(); ++first) {
    for (std::size_t second = 0; second <= 7; ++second) {
      Framer framer(direction);
      CHECK(cut(framer, talk, {first, second}) == whole);
      CHECK(framer.between_messages());
    }
  }
  Framer byte_by_byte(direction);
  CHECK(cut(byte_by_byte, talk, std::vector<std::size_t>(talk.size(), 1)) == whole);
}

Framer::Failure fate(Direction direction, std::string_view header) {
  Framer framer(direction);
  Bytes input = as_bytes(header);
  CHECK(!framer.next(input));
  return framer.failure();
}

}  // namespace

TEST_CASE("messages are the same wherever the stream of a client is cut") {
  split_everywhere(Direction::from_client, client_talk());
}
TEST_CASE("messages are the same wherever the stream of a server is cut") {
  split_everywhere(Direction::from_server, server_talk());
}

TEST_CASE("a length below four fails the framer") {
  CHECK(fate(Direction::from_client, std::string_view("Q\0\0\0\3xxxx", 9)) ==
        Framer::Failure::bad_length);
  CHECK(fate(Direction::from_server, std::string_view("D\xff\xff\xff\xff", 5)) ==
        Framer::Failure::bad_length);
}

TEST_CASE("a length that its tag cannot have fails the framer") {
  CHECK(fate(Direction::from_client, std::string_view("S\0\0\0\5x", 6)) ==
        Framer::Failure::bad_length);
  CHECK(fate(Direction::from_server, std::string_view("Z\0\0\0\6II", 7)) ==
        Framer::Failure::bad_length);
}

TEST_CASE("a tag that the direction does not have fails the framer, with its header kept") {
  CHECK(fate(Direction::from_client, std::string_view("!\0\0\0\4", 5)) ==
        Framer::Failure::unknown_tag);
  CHECK(fate(Direction::from_client, std::string_view("T\0\0\0\4", 5)) ==
        Framer::Failure::unknown_tag);
  Framer framer(Direction::from_server);
  Bytes input = as_bytes(std::string_view("Q\0\0\0\4", 5));
  CHECK(!framer.next(input));
  CHECK(as_text(framer.offending_header()) == std::string_view("Q\0\0\0\4", 5));
  CHECK(!framer.next(input));
}

TEST_CASE("length_max bounds every message") {
  Framer framer(Direction::from_client);
  framer.limit_length(100);
  Buffer big;
  compose::query(big, std::string(200, 'x'));
  Bytes input = big;
  CHECK(!framer.next(input));
  CHECK(framer.failure() == Framer::Failure::bad_length);
}

TEST_CASE("a passing message leaves in parts, and nothing of it is kept") {
  Framer framer(Direction::from_server);
  Buffer row;
  compose::data_row(row,
                    std::vector<std::optional<std::string_view>>{std::string_view("0123456789")});
  Bytes head = Bytes(row).first(8);
  auto piece = framer.next(head);
  REQUIRE(piece);
  CHECK(piece->starts);
  CHECK(!piece->ends);
  CHECK(framer.kept_bytes() == 0);
  CHECK(!framer.between_messages());
  Bytes tail = Bytes(row).subspan(8);
  piece = framer.next(tail);
  REQUIRE(piece);
  CHECK(!piece->starts);
  CHECK(piece->ends);
  CHECK(framer.between_messages());
}

TEST_CASE("a long Query shows its lead in one piece and passes after that") {
  Framer framer(Direction::from_client);
  Buffer query;
  compose::query(query, std::string(10'000, 'q'));
  Bytes head = Bytes(query).first(1000);
  CHECK(!framer.next(head));
  CHECK(framer.kept_bytes() == 1000);
  Bytes more = Bytes(query).subspan(1000, 4000);
  auto piece = framer.next(more);
  REQUIRE(piece);
  CHECK(piece->starts);
  CHECK(piece->bytes.size() >= lead_bytes);
}
