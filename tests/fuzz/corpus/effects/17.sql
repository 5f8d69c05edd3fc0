create unlogged table t (x int);
create table t (x int default login(1), y serial, check (x > 1));
create table temp (temp int);
create table t (like pg_temp.u);
create temp view v as select 1;
create or replace temporary recursive view v (n) as select 1