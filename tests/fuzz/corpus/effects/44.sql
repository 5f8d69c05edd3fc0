alter role alice set work_mem = '1MB';
alter database d set search_path = x;
alter function f() set search_path = app, pg_temp;
alter table t set (fillfactor = 50);
alter table t add column x numeric(10, 2);
alter system set work_mem = '1MB'