select 1 into temporary table t;
select a, b into local temporary table t from u;
select a into global temp t from u where x > 1;
select 1 into table pg_temp.t;
select 1 into pg_temp.t;
select 1 into "pg_temp".t