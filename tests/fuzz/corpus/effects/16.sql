create table t as select pg_advisory_lock(1);
create table t (a) as table u;
create table t as execute p;
create table pg_temp.t (x int);
create table "pg_temp".t (x int);
create table U&"pg\005ftemp".t (x int)