#include "protocol/sql/database_commands.h"

#include <doctest/doctest.h>

using namespace pgweir;
using sql::database_to_be_vacant;

TEST_CASE("the database that must be vacant is the one that is dropped, copied or renamed") {
  CHECK(database_to_be_vacant("DROP DATABASE Shop") == "shop");
  CHECK(database_to_be_vacant("drop database if exists \"Shop \"\"two\"\"\" with (force)") == "Shop \"two\"");
  CHECK(database_to_be_vacant("drop database if") == "if");
  CHECK(database_to_be_vacant("drop database if exists if") == "if");
  CHECK(database_to_be_vacant("/* a */ drop -- b\n database exists;") == "exists");
  CHECK(database_to_be_vacant("create database b") == "template1");
  CHECK(database_to_be_vacant("create database template template = A") == "a");
  CHECK(database_to_be_vacant("create database b with owner template encoding 'UTF8' connection limit = -1 template 'A'") == "A");
  CHECK(database_to_be_vacant("create database b template default") == "template1");
  CHECK(database_to_be_vacant("alter database a rename to b") == "a");
  CHECK(database_to_be_vacant("alter database a set tablespace fast") == "a");
}

TEST_CASE("other statements need nobody gone") {
  for (const char* text : {"alter database a set work_mem = 1", "drop table database", "create table database (x int)", "select 'drop database a'",
                           "alter database a owner to b", "drop database", "", "select 1; drop database a"})
    CHECK_MESSAGE(!database_to_be_vacant(text), text);
}
