// links: pgweir_protocol
// A hostile server talks to our SCRAM client: its messages are the lines of the input. The whole
// input is a password, too.
#include "protocol/auth/saslprep.h"
#include "protocol/auth/scram_client.h"
#include "tests/fuzz/invariant.h"

using namespace pgweir;
using pgweir::fuzz::claim;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t newline = input.find('\n');
  const std::string_view first = input.substr(0, newline);
  const std::string_view last = newline == std::string_view::npos ? "" : input.substr(newline + 1);
  static const ScramLoginKeys keys =
      *derive_login_keys("pencil", *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);

  // Keys rather than a password: the fuzzer must not spend its time in PBKDF2.
  ScramClient client(keys, "rOprNGfwEbeRWgbNEkqO", "user");
  client.client_first();
  const auto answer = client.on_server_first(first);
  const bool believed = client.on_server_final(last);
  claim(believed == client.proven(), "belief is proof");
  claim(!believed || answer, "no proof without an answer");
  claim(believed || !client.failure().empty(), "a failure has a reason");
  claim(!answer || answer->size() <= 2048, "the answer is bounded");

  // Not in general once more the same: what SASLprep refuses is used as it is.
  const std::string prepared = saslprep(input);
  claim(prepared.size() <= 18 * size, "a character becomes 18 at most");
  return 0;
}
