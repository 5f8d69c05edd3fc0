#include "protocol/conversation.h"

#include <doctest/doctest.h>

#include <random>
#include <string_view>

using namespace pgweir;

namespace {

// Requests and replies in the order in which they pass: "Q>" is a request, "<T" a reply, "<Z:T" one
// with a status. Answers the replies' fate: f forwarded, s swallowed, ! out of sync.
struct Talk {
  Conversation talk;
  std::string fate;
  unsigned statements = 0, failures = 0;

  Talk& sent(std::string_view tags, For whom = For::client) {
    for (const char tag : tags) talk.on_request(tag, whom);
    return *this;
  }
  Talk& heard(std::string_view tags, char status = 'I') {
    for (const char tag : tags) {
      const ReplyVerdict verdict = talk.on_reply(tag, tag == 'Z' ? status : '\0');
      fate += verdict.disposition == Disposition::forward   ? 'f'
              : verdict.disposition == Disposition::swallow ? 's'
                                                            : '!';
      statements += verdict.statements;
      failures += verdict.failed;
    }
    return *this;
  }
  bool in_sync() const { return fate.find('!') == std::string::npos; }
};

}  // namespace

TEST_CASE("a new conversation is at rest, idle") {
  const Conversation talk;
  CHECK(talk.at_rest());
  CHECK(talk.nothing_owed());
  CHECK(talk.transaction() == TxStatus::idle);
}

TEST_CASE("a simple query is over with its ReadyForQuery") {
  Talk t;
  CHECK(!t.sent("Q").talk.at_rest());
  CHECK(!t.heard("TDDC").talk.at_rest());
  CHECK(t.heard("Z").talk.at_rest());
  CHECK(t.statements == 1);
  CHECK(t.in_sync());
}

TEST_CASE("several statements in one Query are one debt") {
  Talk t;
  CHECK(t.sent("Q").heard("TDCTDCICZ").talk.at_rest());
  CHECK(t.in_sync());
}

TEST_CASE("an extended batch is over with its Sync's ReadyForQuery") {
  Talk t;
  t.sent("PBDES").heard("12TDC");
  CHECK(!t.talk.at_rest());
  CHECK(t.heard("Z").talk.at_rest());
  CHECK(t.statements == 1);
  CHECK(t.in_sync());
}

TEST_CASE("T11: a batch that was flushed but not synced is not at rest, though nothing is owed") {
  Talk t;
  t.sent("PDH").heard("1tT");
  CHECK(t.talk.nothing_owed());
  CHECK(!t.talk.at_rest());
}

TEST_CASE("the status of the transaction is the server's word") {
  Talk t;
  CHECK(t.sent("Q").heard("CZ", 'T').talk.transaction() == TxStatus::in_transaction);
  CHECK(t.sent("Q").heard("EZ", 'E').talk.transaction() == TxStatus::failed);
  CHECK(t.sent("Q").heard("CZ", 'I').talk.transaction() == TxStatus::idle);
  Talk broken;
  CHECK(!broken.sent("Q").heard("Z", 'x').in_sync());
}

TEST_CASE("after an error the server skips to the Sync, and so do its debts") {
  Talk t;
  t.sent("PBEPBES").heard("1E");
  CHECK(t.talk.owed_count() == 1);
  CHECK(t.heard("Z").talk.at_rest());
  CHECK(t.statements == 2);
  CHECK(t.failures == 1);
  CHECK(t.in_sync());
}

TEST_CASE("requests sent after an error and before the Sync are owed nothing") {
  Talk t;
  t.sent("PB").heard("1E").sent("EPBEQ");
  CHECK(t.talk.nothing_owed());
  CHECK(!t.talk.at_rest());
  CHECK(t.sent("S").heard("Z").talk.at_rest());
  CHECK(t.in_sync());
}

TEST_CASE("T20: a pipeline of simple and extended requests keeps its order") {
  Talk t;
  t.sent("QPBESQPBES");
  CHECK(t.heard("CZ12CZEZ12DCZ").talk.at_rest());
  CHECK(t.in_sync());
}

TEST_CASE("an error of one batch leaves the next one alone") {
  Talk t;
  CHECK(t.sent("PBESPBES").heard("EZ12CZ").talk.at_rest());
  CHECK(t.in_sync());
}

TEST_CASE("T14: what may come at any time changes nothing") {
  Talk t;
  t.heard("ANS").sent("PBES").heard("S1N2SSAC").heard("Z");
  CHECK(t.talk.at_rest());
  CHECK(t.in_sync());
}

TEST_CASE("a reply to nothing is out of sync, and stays so") {
  for (const char tag : {'1', '2', '3', 'C', 'D', 'T', 't', 'n', 'Z', 'I', 's', 'G', 'H', 'W', 'c',
                         'd', 'V', 'R', 'K'}) {
    CAPTURE(tag);
    Talk t;
    t.heard(std::string_view(&tag, 1));
    CHECK(t.fate == "!");
    CHECK(t.talk.out_of_sync());
    CHECK(!t.talk.at_rest());
  }
}

TEST_CASE("a reply of the wrong kind is out of sync") {
  CHECK(!Talk().sent("PS").heard("2").in_sync());
  CHECK(!Talk().sent("BS").heard("1").in_sync());
  CHECK(!Talk().sent("Q").heard("V").in_sync());
  CHECK(!Talk().sent("F").heard("D").in_sync());
  CHECK(!Talk().sent("PS").heard("Z").in_sync());
}

TEST_CASE("the pooler's own queries are swallowed, errors included") {
  Talk t;
  t.sent("Q", For::pooler);
  CHECK(t.talk.pooler_is_answered());
  t.heard("CSEZ");
  CHECK(t.fate == "ssss");
  CHECK(t.talk.at_rest());
}

TEST_CASE("a FunctionCall ends with its own ReadyForQuery") {
  CHECK(Talk().sent("F").heard("VZ").talk.at_rest());
  CHECK(Talk().sent("F").heard("EZ").talk.at_rest());
}

TEST_CASE("a suspended portal is an Execute that is over") {
  Talk t;
  CHECK(t.sent("PBEES").heard("12DsDCZ").talk.at_rest());
  CHECK(t.statements == 2);
}

TEST_CASE("T41: COPY IN with an early Sync, announced before or after the data was sent") {
  SUBCASE("the data first") {
    Talk t;
    CHECK(t.sent("PBESdcS").heard("12GCZ").talk.at_rest());
    CHECK(t.in_sync());
  }
  SUBCASE("the answer first") {
    Talk t;
    t.sent("PBES").heard("12G");
    CHECK(t.talk.in_copy());
    CHECK(!t.talk.at_rest());
    CHECK(t.sent("dcS").heard("CZ").talk.at_rest());
    CHECK(t.in_sync());
  }
}

TEST_CASE("a Sync within COPY IN is owed nothing") {
  Talk t;
  t.sent("Q").heard("G").sent("dSdHc");
  CHECK(t.heard("CZ").talk.at_rest());
  CHECK(t.in_sync());
}

TEST_CASE("T42: late data of a COPY that failed is owed nothing") {
  SUBCASE("simple") {
    Talk t;
    CHECK(t.sent("Q").heard("G").sent("d").heard("EZ").sent("ddc").talk.at_rest());
    CHECK(t.sent("Q").heard("CZ").talk.at_rest());
    CHECK(t.in_sync());
  }
  SUBCASE("all sent before the failure") {
    Talk t;
    CHECK(t.sent("Qdc").heard("GEZ").talk.at_rest());
    CHECK(t.in_sync());
  }
  SUBCASE("extended") {
    Talk t;
    t.sent("PBE").heard("12G").sent("d").heard("E");
    CHECK(!t.talk.at_rest());
    CHECK(t.sent("cS").heard("Z").talk.at_rest());
    CHECK(t.in_sync());
  }
  SUBCASE("extended, all sent before the failure") {
    Talk t;
    CHECK(t.sent("PBEdcS").heard("12GEZ").talk.at_rest());
    CHECK(t.in_sync());
  }
}

TEST_CASE("a CopyDone for a COPY that never was does not hold anything up") {
  Talk t;
  CHECK(t.sent("Qc").heard("EZ").talk.at_rest());
  CHECK(t.sent("QcQ").heard("CZCZ").talk.at_rest());
  CHECK(t.in_sync());
}

TEST_CASE("COPY OUT and several COPYs in one Query") {
  CHECK(Talk().sent("Q").heard("HddcCZ").talk.at_rest());
  Talk t;
  CHECK(t.sent("Qdcdc").heard("GCGCZ").talk.at_rest());
  CHECK(t.in_sync());
}

TEST_CASE("fakes are told in their place") {
  Talk t;
  t.talk.owe_fake('1');
  t.sent("BES");
  CHECK(t.talk.take_fake() == '1');
  CHECK(t.talk.take_fake() == 0);
  CHECK(t.heard("2CZ").talk.at_rest());
}

TEST_CASE("the quick way takes what is passed on, as the long one would, and leaves the rest") {
  std::minstd_rand random(7);
  unsigned quick_ones = 0;
  for (int run = 0; run < 20'000; ++run) {
    Conversation quick, thorough;
    for (int step = 0; step < 12; ++step) {
      const auto pick = [&](std::string_view of) { return of[random() % of.size()]; };
      if (random() % 2 == 0) {
        const char tag = pick("PBDECSQQ");
        const For whom = random() % 8 == 0 ? For::pooler : For::client;
        const Note note{random() % 4 == 0, 0};
        quick.on_request(tag, whom, note), thorough.on_request(tag, whom, note);
      } else if (random() % 16 == 0) {
        quick.owe_fake('1'), thorough.owe_fake('1');
      } else {
        const char tag = pick("112233TTDDCCZZnstEGN");
        const ReplyVerdict judged = thorough.on_reply(tag, 'I');
        if (quick.on_plain_reply(tag)) {
          ++quick_ones;
          CHECK(judged.disposition == Disposition::forward);
          CHECK(judged.statements == 0);
        } else {
          CHECK(quick.on_reply(tag, 'I').disposition == judged.disposition);
        }
      }
      if (thorough.out_of_sync()) break;
      CHECK(quick.owed_count() == thorough.owed_count());
      CHECK(quick.has_news() == thorough.has_news());
      CHECK(quick.at_rest() == thorough.at_rest());
      if (random() % 4 == 0) CHECK(quick.take_fake() == thorough.take_fake());
      if (random() % 4 == 0) CHECK(quick.take_settled() == thorough.take_settled());
    }
  }
  CHECK(quick_ones > 1000);
}

TEST_CASE("a long conversation forgets what is over") {
  Talk t;
  for (int i = 0; i < 5000; ++i) {
    t.sent("QQ").heard("CZ");
    CHECK(t.talk.owed_count() == 1 + static_cast<std::size_t>(i));
  }
  for (int i = 0; i < 5000; ++i) t.heard("CZ");
  CHECK(t.talk.at_rest());
  CHECK(t.in_sync());
}
