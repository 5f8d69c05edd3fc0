// The key='value' pairs that sqlcommenter and its like leave in a comment at an end of a statement.
// Source: google.github.io/sqlcommenter/spec.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::sql {

using CommentTags = std::vector<std::pair<std::string, std::string>>;

// Of the comment at the statement's end, or else at its beginning; decoded, in their order. Empty when there are none, or
// when a comment holds anything else. At most 16 pairs, keys and values of at most 200 bytes.
CommentTags comment_tags(std::string_view statement);
// The same as one text for people: `route='/cart', traceparent='00-...'`.
std::string comment_tag_list(std::string_view statement);

}  // namespace pgweir::sql
