#include "proxy/session/handed.h"

#include "protocol/wire.h"

namespace pgweir {
namespace {

// One description of each record serves both directions: `io(field)` writes it or reads it.
class Writer {
 public:
  explicit Writer(Buffer& out) : wire_(out) {}
  void operator()(const std::string& text) {
    (*this)(static_cast<std::uint64_t>(text.size()));
    wire_.text(text);
  }
  void operator()(std::uint64_t number) {
    wire_.u32(static_cast<std::uint32_t>(number >> 32));
    wire_.u32(static_cast<std::uint32_t>(number));
  }
  template <typename T>
  bool present(const std::optional<T>& value) {
    wire_.u8(value.has_value());
    return value.has_value();
  }
  template <typename T>
  std::uint64_t count(const std::vector<T>& list) {
    (*this)(static_cast<std::uint64_t>(list.size()));
    return list.size();
  }
  bool ok() const { return true; }
  std::uint64_t version = handed_version;

 private:
  WireWriter wire_;
};

class Reader {
 public:
  explicit Reader(Bytes bytes) : wire_(bytes) {}
  void operator()(std::string& text) {
    std::uint64_t size = 0;
    (*this)(size);
    text = std::string(as_text(wire_.bytes(static_cast<std::size_t>(size))));
  }
  void operator()(std::uint64_t& number) {
    const std::uint64_t high = wire_.u32();
    number = high << 32 | wire_.u32();
  }
  template <typename T>
  bool present(std::optional<T>& value) {
    if (wire_.u8() == 0) return false;
    value.emplace();
    return true;
  }
  template <typename T>
  std::uint64_t count(std::vector<T>& list) {
    std::uint64_t size = 0;
    (*this)(size);
    if (size > wire_.remaining()) size = 0, wire_.bytes(wire_.remaining() + 1);   // fails for good
    list.resize(static_cast<std::size_t>(size));
    return size;
  }
  bool ok() const { return wire_.at_end(); }
  std::uint64_t version = 0;           // of the record

 private:
  WireReader wire_;
};

// A number that is kept narrower than it travels.
template <typename Io, typename T>
void narrow(Io& io, T& number) {
  std::uint64_t wide = static_cast<std::uint64_t>(number);
  io(wide);
  if constexpr (!std::is_const_v<T>) number = static_cast<T>(wide);
}

template <typename Io, typename Pairs>
void pairs(Io& io, Pairs& list) {
  io.count(list);
  for (auto& [name, value] : list) io(name), io(value);
}

template <typename Io, typename S>
void statement(Io& io, S& s) {
  io(s.name);
  io(s.id);
  narrow(io, s.sql);
  io(s.identity);
}

template <typename Io, typename List>
void statements(Io& io, List& list) {
  io.count(list);
  for (auto& one : list) statement(io, one);
}

template <typename Io, typename Key>
void cancel_key(Io& io, Key& key) {
  narrow(io, key.pid);
  io(key.key);
}

template <typename Io, typename Server>
void server_fields(Io& io, Server& s) {
  io(s.database);
  io(s.user);
  io(s.server_database);
  io(s.host);
  narrow(io, s.port);
  cancel_key(io, s.cancel);
  pairs(io, s.parameters);
  pairs(io, s.settings);
  statements(io, s.statements);
  io(s.age_ms);
  io(s.lifetime_ms);
  io(s.welcome);
  pairs(io, s.pool_parameters);
}

template <typename Io, typename Client>
void client_fields(Io& io, Client& c) {
  io(c.database);
  io(c.user);
  cancel_key(io, c.cancel);
  narrow(io, c.long_key);
  pairs(io, c.parameters);
  pairs(io, c.settings);
  statements(io, c.statements);
  if (io.present(c.unnamed)) statement(io, *c.unnamed);
  io(c.age_ms);
  if (io.version >= 2) pairs(io, c.startup);
  if (io.present(c.server)) server_fields(io, *c.server);
}

template <typename T, typename F>
std::optional<T> decoded(Bytes record, F&& fields) {
  Reader reader(record);
  reader(reader.version);
  if (reader.version < 1 || reader.version > handed_version) return std::nullopt;
  T value;
  fields(reader, value);
  if (!reader.ok()) return std::nullopt;
  return value;
}

}  // namespace

void encode(const HandedServer& server, Buffer& out) {
  Writer writer(out);
  writer(std::uint64_t{handed_version});
  server_fields(writer, server);
}

void encode(const HandedClient& client, Buffer& out) {
  Writer writer(out);
  writer(std::uint64_t{handed_version});
  client_fields(writer, client);
}

std::optional<HandedServer> decode_server(Bytes record) {
  return decoded<HandedServer>(record, [](Reader& io, HandedServer& s) { server_fields(io, s); });
}

std::optional<HandedClient> decode_client(Bytes record) {
  return decoded<HandedClient>(record, [](Reader& io, HandedClient& c) { client_fields(io, c); });
}

}  // namespace pgweir
