// Comments that change with every request, as sqlcommenter and Rails write them: they must not make every text another.
#pragma once

#include <string_view>

namespace pgweir::policy {

// `sql` without a comment of key-value pairs at its end, or all of it. What is left means the same to PostgreSQL, with
// every position in it unchanged: a hint (`/*+`), a comment in front of a word and one in a string stay.
//
//   SELECT 1 /*traceparent='00-4bf9...-01',action='show'*/     SELECT 1 /*application:shop,request_id:7f3a*/
//            ^ up to here                                               ^
std::string_view without_trace_comment(std::string_view sql);

}  // namespace pgweir::policy
