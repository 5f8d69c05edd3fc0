drop table t;
drop table if exists t, u cascade;
drop view v;
drop sequence s;
drop function f();
select 1 into temp t