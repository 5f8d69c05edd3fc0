select a from t where pg_try_advisory_lock(a) limit 1;
select case when true then pg_advisory_lock(1) end;
select (select pg_advisory_lock(1));
select array[pg_advisory_lock(1)];
select row(pg_advisory_lock(1));
select coalesce(pg_advisory_lock(1)::text, 'x')