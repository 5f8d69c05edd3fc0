SET search_path TO a, b
set search_path = app, pg_temp
set session work_mem = '7MB'
SET SESSION "App"."Tenant" TO 'x'
set app.tenant to 'a', 'b'
set app.x = 7
set a.b.c = 'deep'
set session.user_id = 5
set session session.user_id = 5
set local.x = 1
set local local.x = 1
set role.x = 1
set time.x = 1
set schema.x = 1
set names.x = 1
set seed.x = 1
set xml.x = 1
set transaction.x = 1
set characteristics.x = 1
set U&"work\005fmem" = '7MB'
set U&"app"."x" = 1
set app.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx = 1
set work_mem to default
set work_mem from current
set session characteristics as transaction read only
set session characteristics as transaction isolation level serializable, read write
set transaction isolation level serializable
set transaction snapshot '00000003-0000001B-1'
set constraints all deferred
set local work_mem = '1MB'
set local role alice
set local session authorization bob
set local time zone 'UTC'
set role alice
set role none
set session role alice
set session authorization alice
set session authorization default
set session session authorization alice
set time zone 'Asia/Tokyo'
set time zone local
set session time zone interval '1' hour to minute
set names 'utf8'
set names
set schema 's1'
set session schema 's1'
set seed 0.5
set xml option document
/* first */ set /* it */ app . x -- is\n to 'commented'
set\n\twork_mem\n= '7MB'
SET statement_timeout='5s'; SELECT 1
select 1; set lock_timeout = '5s'; select 2
begin; set work_mem = '1MB'; commit
reset work_mem
reset app.x
reset session.user_id
reset time.x
reset role
reset session authorization
reset time zone
reset transaction isolation level
reset all
RESET "all"
discard all
discard temp
discard temporary
discard plans
discard sequences
listen news
LISTEN "News"
listen U&"n\0065ws"
unlisten news
unlisten *
notify news, 'x'
load 'auto_explain'
load '$libdir/plugins/x'
do $$begin perform 1; end$$
do language plpgsql 'begin end'
do $a$ begin perform set_config('a.b', 'x', false); end $a$ language plpgsql
declare c cursor for select 1
declare c cursor with hold for select 1
declare c binary insensitive scroll cursor with hold for select login(1)
declare c no scroll cursor without hold for select pg_advisory_lock(1)
declare hold cursor for select 1
declare "with hold" cursor for select set_config('a.b', 'x', false)
close c
close all
fetch 2 from c
create temp table t (x int)
create temporary table if not exists t (x int) on commit drop
create local temp table t ()
create global temporary table t ()
create temp table t as select 1
create temp table t (a, b) as values (1, 2)
create temp table t as execute p(1)
create temp table t on commit delete rows as select login(1)
create table t as select pg_advisory_lock(1)
create table t (a) as table u
create table t as execute p
create table pg_temp.t (x int)
create table "pg_temp".t (x int)
create table U&"pg\005ftemp".t (x int)
create unlogged table t (x int)
create table t (x int default login(1), y serial, check (x > 1))
create table temp (temp int)
create table t (like pg_temp.u)
create temp view v as select 1
create or replace temporary recursive view v (n) as select 1
create or replace local temp view v as select pg_advisory_lock(1)
create view pg_temp.v as select 1
create view v as select pg_advisory_lock(1)
create temp sequence s
create temporary sequence if not exists s start 5
create sequence pg_temp.s
create materialized view m as select login(1)
create materialized view m as select 1 with no data
create function pg_temp.f() returns int language sql as 'select 1'
create function f() returns int language sql set search_path = app, pg_temp as 'select 1'
create function f() returns int language sql begin atomic select pg_advisory_lock(1); end
create index on t (lower(x))
drop table t
drop table if exists t, u cascade
drop view v
drop sequence s
drop function f()
select 1 into temp t
select 1 into temporary table t
select a, b into local temporary table t from u
select a into global temp t from u where x > 1
select 1 into table pg_temp.t
select 1 into pg_temp.t
select 1 into "pg_temp".t
select 1 into unlogged t
select 1 into t
select a into temp from u
with x as (select 1 as a) select a into temp t from x
insert into t select pg_advisory_lock(1)
insert into t (a, b) select 1, pg_advisory_lock(2)
insert into s.t values (1, login(2))
insert into s.t as x (a) values (login(2)) on conflict (a) do update set a = audit(x.a)
insert into temp (a) values (1)
insert into t default values returning pg_advisory_lock(1)
insert into t table u
with l as (insert into t values (1) returning login(a)) select * from l
update t set a = login(b) where c
update t set (a, b) = (select login(1), 2) from u returning audit(a)
update pg_settings set setting = '1' where name = 'work_mem'
update pg_catalog.pg_settings set setting = '1' where name = 'work_mem'
delete from t using login(1) u where t.a = u.a returning pg_advisory_unlock(1)
merge into t using login(1) u on t.a = u.u when matched then update set a = audit(2) when not matched then insert (a) values (pg_advisory_lock(1))
merge into t as x using (select pg_advisory_lock(1) as a) y on x.a = y.a when matched then delete
call refresh()
call app.refresh(login(1))
copy (select login(1)) to stdout
copy t from stdin
copy t (a) from stdin where login(a) = 1
explain select pg_advisory_lock(1)
explain analyze select set_config('a.b', 'x', false)
explain (analyze, costs off) execute p(1)
explain (analyze) create temp table t as select 1
explain analyze declare c cursor with hold for select login(1)
prepare p as select 1
prepare p (text) as select set_config('a.b', $1, false)
prepare p as insert into t select pg_advisory_lock(1)
execute p
EXECUTE "My plan"(1, login(2))
execute U&"pl\0061n"
deallocate p
values (pg_advisory_lock(1)), (login(2))
table t
select pg_advisory_lock(1)
select pg_advisory_lock(1, 2), pg_advisory_lock_shared(3)
select pg_try_advisory_lock(1)
select pg_try_advisory_lock_shared(1, 2)
select pg_advisory_xact_lock(1)
select pg_advisory_unlock(1)
select pg_advisory_unlock_shared(1)
select pg_advisory_unlock_all()
SELECT PG_CATALOG.PG_ADVISORY_LOCK(1)
select pg_catalog."pg_advisory_lock"(1)
select pg_advisory_lock\t(1)
select pg_advisory_lock\n(1)
select pg_advisory_lock /* ( */ (1)
select pg_advisory_lock -- (\n (1)
select U&"pg_advisory\005flock"(1)
select U&"pg!005fadvisory_lock" uescape '!' (1)
select a from t where pg_try_advisory_lock(a) limit 1
select case when true then pg_advisory_lock(1) end
select (select pg_advisory_lock(1))
select array[pg_advisory_lock(1)]
select row(pg_advisory_lock(1))
select coalesce(pg_advisory_lock(1)::text, 'x')
select * from pg_advisory_lock(1)
select * from t, lateral pg_advisory_lock(t.a) l
select * from rows from (pg_advisory_lock(1), login(2)) as x
select 1 order by pg_advisory_lock(1)
select 1 limit login(1)
select count(*) filter (where pg_try_advisory_lock(1)) from t
select sum(login(a)) over (partition by audit(b)) from t
select 'pg_advisory_lock(1)', $$set_config('a', 'b', false)$$, "pg_advisory_lock" from t
select set_config('app.tenant', '7', false)
select set_config('App.Tenant', $1, false)
select set_config($1, $2, $3)
select set_config($1::text, $2, false)
select set_config($1, $2, true)
select set_config('a.b', 'x', true)
select set_config('a.b', 'x', 't'), set_config('c.d', 'x', 'f')
select set_config('a.b', 'x', 'true'::boolean)
select set_config('a.b', 'x', not false)
select set_config('a.b', 'x', 1 = 1)
select set_config('a.' || 'b', 'x', false)
select set_config('a.' || 'b', 'x', true)
select set_config(('a.b'), 'x', false)
select set_config(cast('a.b' as text), 'x', false)
select set_config('a.b'::pg_catalog.text, 'x', false)
select set_config('a.b'::varchar(10), 'x', false)
select set_config(E'a.b', 'x', false)
select set_config(E'a\x2eb', 'x', false)
select set_config(U&'a.b', 'x', false)
select set_config($$a.b$$, 'x', false)
select set_config('a''b', 'x', false)
select set_config(name, setting, false) from t
select set_config(setting_name => 'a.b', new_value => 'x', is_local => false)
select set_config('a.b', is_local => false, new_value => 'x')
select set_config('a.b', new_value => 'x', is_local => true)
select set_config('a.b', set_config('c.d', 'x', false), true)
select set_config(set_config('c.d', 'x', false), 'x', true)
select set_config('a.b', login(pg_advisory_lock(1)), true)
select set_config('a.b', (select set_config('c.d', 'x', false)), false)
select set_config(variadic array['a', 'b'])
select pg_catalog.set_config('a.b', 'x', false), pg_catalog . "set_config" ('c.d', 'x', false)
select app.set_config('a.b', 'x', false)
with x as (select set_config('a.b', 'x', false)) select * from x
select * from set_config('a.b', 'x', false)
select login('x')
select Login('x'), "Login"('x'), "my login"('x')
select app.login('x')
select "x-lower"(1)
select "%"(1)
select "Lower"(1), pg_catalog."Upper"(2)
select "1lower" (2), 3
select "$lower"(3)
select "a.lower"(4)
select "lower "(5)
select "a""lower"(6)
select lower(a), "lower"(b), pg_catalog."upper" (c)
select "app" . "login" ('x')
select app.lower('x'), pg_catalog.lower('y')
select a.b.login('x')
select ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff(1)
select é(1)
select lower(a), count(*), extract(year from b), substring(c from 1 for 2), position('a' in d), trim(both from e) from t
select overlay(a placing b from 1), cast(a as numeric(10, 2)), xmlelement(name x, 1), normalize(a), grouping(b) from t group by b
select a in (1, 2), b = any (array[1]), exists (select 1), (a, b) = (1, 2), not (c), d and (e), f between (1) and (2) from t
select now(), current_user, current_timestamp(3), nextval('s'), uuid_in('x')
select a is distinct from login(b), login(c) collate "C", (login(d)).x, (login(e))[1] from t
select login(distinct a order by audit(b)) from t
select * from json_to_recordset(login(1)) as x (a int, b text)
select * from t tablesample my_method (10)
select '\'' || 'x', pg_advisory_lock(1)
select 1 as set, 2 as listen, 3 as "load"
select * from temp
select temp.a from temp
grant execute on function f() to public
grant select on t to public
alter role alice set work_mem = '1MB'
alter database d set search_path = x
alter function f() set search_path = app, pg_temp
alter table t set (fillfactor = 50)
alter table t add column x numeric(10, 2)
alter system set work_mem = '1MB'
create role listen
savepoint s
rollback to s
release s
start transaction read only
commit and chain
show work_mem
vacuum (analyze) t
lock table t in share mode
truncate t
select 1
;
