// One client of the null server: from its startup packet to its Terminate.
#pragma once

#include <map>
#include <string>

#include "bench/canned.h"
#include "protocol/bytes.h"
#include "protocol/framer.h"

namespace pgweir::bench {

// Owned by a thread of the null server. Bytes in, bytes out; sockets are the server's business.
class NullSession {
 public:
  explicit NullSession(CannedAnswers& answers) : answers_(answers) {}

  // Appends the replies to `out`. False: the client is done, close it once `out` is sent.
  bool take(Bytes input, Buffer& out);

 private:
  bool take_startup(Bytes& input, Buffer& out);
  bool take_piece(const Piece& piece, Buffer& out);
  void open_message(const Piece& piece);
  void answer_message(char tag, Buffer& out);
  void answer_query(Buffer& out);

  CannedAnswers& answers_;
  Framer framer_{Direction::from_client};
  Buffer startup_;  // a packet that has not all arrived
  bool started_ = false;
  char transaction_ = 'I';
  const Answer* current_ = nullptr;  // of the Query under way, or of the portal bound last
  char described_ = 'P';             // of the Describe under way: 'S' or 'P'
  const Answer* described_statement_ = nullptr;
  std::map<std::string, const Answer*, std::less<>> statements_;
};

}  // namespace pgweir::bench
