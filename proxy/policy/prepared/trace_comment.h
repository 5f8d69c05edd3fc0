// Comments that change with every request, as sqlcommenter and Rails write them: they must not make every text another.
#pragma once

#include <cstddef>
#include <string_view>

namespace pgweir::policy {

// What is left of a text without the comments of key-value pairs at its beginning and its end. It means the same to
// PostgreSQL, with every position in it unchanged: the one at the beginning becomes as many spaces. A hint (`/*+`), and
// every other comment where there is one, a comment in the middle and one in a string stay.
//
//   /*traceparent='00-4bf9...-01'*/ SELECT 1 /*application:shop,request_id=7f3a*/
//   ^ blank_begin                  ^ blank_end
//                                            ^ end
struct WithoutTrace {
  std::size_t blank_begin = 0, blank_end = 0;
  std::size_t end = 0;
};
WithoutTrace without_trace_comments(std::string_view sql);

}  // namespace pgweir::policy
