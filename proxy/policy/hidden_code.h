// Code that no statement's text names, but that may change the session of whoever runs a statement: trigger functions, and what
// views, rules, policies, defaults and constraints call.
#pragma once

#include <string>
#include <vector>

namespace pgweir::policy {

// SQL, of two statements in one Query, that tells which of a database's code of that kind may change its session:
//
//   hidden   trigger loud: set_tenant   1        (five rows at most; none: nothing does)
//   name     app.tenant                 1        (settings of modules that views and their like set)
//
// Sources are judged by their words, in favour of suspicion: SET that is not LOCAL, set_config() that is not surely local,
// session advisory locks, temporary objects, EXECUTE of what is not plainly a query, other languages than SQL and PL/pgSQL, and
// whatever calls such a function. C is trusted.
const char* hidden_code_question();

// For the end of session_question(): a row that counts those of the functions, by name in lower case, and with `hidden` of the code
// that no statement names, which set something whose name they compute. No look would find it.
//
//   computed   (empty)   0
std::string computed_names_question(const std::vector<std::string>& functions, bool hidden);

}  // namespace pgweir::policy
