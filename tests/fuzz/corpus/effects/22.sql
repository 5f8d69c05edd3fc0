select 1 into unlogged t;
select 1 into t;
select a into temp from u;
with x as (select 1 as a) select a into temp t from x;
insert into t select pg_advisory_lock(1);
insert into t (a, b) select 1, pg_advisory_lock(2)