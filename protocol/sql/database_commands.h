// Statements that PostgreSQL refuses while anybody is connected to a database: DROP DATABASE, CREATE DATABASE from a
// template, ALTER DATABASE ... RENAME TO and SET TABLESPACE.
//
// Source: PostgreSQL 15 documentation, "DROP DATABASE", "CREATE DATABASE", "ALTER DATABASE".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgweir::sql {

// The database that nobody may be connected to, as PostgreSQL folds its name. Nothing: it is another statement. Only the
// first statement of the text is read, since these cannot stand among others. Cheap for all others.
std::optional<std::string> database_to_be_vacant(std::string_view sql);

}  // namespace pgweir::sql
