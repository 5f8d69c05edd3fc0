create materialized view m as select login(1);
create materialized view m as select 1 with no data;
create function pg_temp.f() returns int language sql as 'select 1';
create function f() returns int language sql set search_path = app, pg_temp as 'select 1';
create function f() returns int language sql begin atomic select pg_advisory_lock(1); end;
create index on t (lower(x))