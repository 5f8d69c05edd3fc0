create or replace local temp view v as select pg_advisory_lock(1);
create view pg_temp.v as select 1;
create view v as select pg_advisory_lock(1);
create temp sequence s;
create temporary sequence if not exists s start 5;
create sequence pg_temp.s