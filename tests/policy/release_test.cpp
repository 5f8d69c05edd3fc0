#include "proxy/policy/release.h"

#include <doctest/doctest.h>

#include "proxy/policy/close_reason.h"

using namespace pgweir;

TEST_CASE("who may be released when") {
  struct Case {
    const char* requests;
    const char* replies;
    char status;
    bool session, transaction, statement, reusable;
  };
  for (const Case& c : {Case{"", "", 'I', false, true, true, true},
                        {"Q", "", 'I', false, false, false, false},
                        {"Q", "CZ", 'I', false, true, true, true},
                        {"Q", "CZ", 'T', false, false, true, false},
                        {"Q", "EZ", 'E', false, false, true, false},
                        {"PBE", "12C", 'I', false, false, false, false},
                        {"PBES", "12CZ", 'I', false, true, true, true},
                        {"Q", "G", 'I', false, false, false, false}}) {
    CAPTURE(c.requests);
    CAPTURE(c.replies);
    Conversation talk;
    for (const char* r = c.requests; *r; ++r) talk.on_request(*r);
    for (const char* r = c.replies; *r; ++r) (void)talk.on_reply(*r, c.status);
    CHECK(policy::may_release(PoolMode::session, talk) == c.session);
    CHECK(policy::may_release(PoolMode::transaction, talk) == c.transaction);
    CHECK(policy::may_release(PoolMode::statement, talk) == c.statement);
    CHECK(policy::reusable_without_client(talk) == c.reusable);
  }
}

TEST_CASE("every close reason has a name, a text and an SQLSTATE of its own row") {
  for (int i = 0; i < static_cast<int>(CloseReason::count_); ++i) {
    const CloseReasonInfo& row = info(static_cast<CloseReason>(i));
    CAPTURE(i);
    CHECK(row.reason == static_cast<CloseReason>(i));
    CHECK(std::string_view(row.sqlstate).size() == 5);
    if (i > 0) CHECK(!std::string_view(row.text).empty());
    for (int other = 0; other < i; ++other)
      CHECK(std::string_view(row.name) != info(static_cast<CloseReason>(other)).name);
  }
  CHECK(text(CloseReason::query_wait_timeout) == "query_wait_timeout");
}
