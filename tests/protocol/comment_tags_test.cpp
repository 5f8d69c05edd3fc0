#include "protocol/sql/comment_tags.h"

#include <doctest/doctest.h>

using pgweir::sql::comment_tags;
using pgweir::sql::CommentTags;

TEST_CASE("sqlcommenter's pairs are read at the end of a statement, and decoded") {
  CHECK(comment_tags("select 1 /*action='%2Fparam*d',traceparent='00-5bd66ef5-01'*/") ==
        CommentTags{{"action", "/param*d"}, {"traceparent", "00-5bd66ef5-01"}});
  CHECK(comment_tags("/*app='shop'*/ select 1;") == CommentTags{{"app", "shop"}});
  CHECK(comment_tags("select 1 /* a='1' , b='it\\'s' */ ; ") == CommentTags{{"a", "1"}, {"b", "it's"}});
}

TEST_CASE("what is no such comment gives nothing") {
  for (const char* text : {"", "select 1", "select 1 /* a remark */", "select 1 /*a='1' b*/", "/*", "*/", "/**/", "/*'*/", "select '/*a=''1''*/'",
                           "select 1 /*a='1*/", "select 1 /*=''*/", "/*/"}) {
    CAPTURE(text);
    CHECK(comment_tags(text).empty());
  }
}

TEST_CASE("pairs are bounded in number and length") {
  std::string many = "select 1 /*";
  for (int i = 0; i < 100; ++i) many += (i ? ",k" : "k") + std::to_string(i) + "='" + std::string(1000, 'x') + "'";
  const CommentTags tags = comment_tags(many + "*/");
  CHECK(tags.size() == 16);
  CHECK(tags[0].second.size() == 200);
}
