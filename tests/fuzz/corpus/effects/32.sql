select * from pg_advisory_lock(1);
select * from t, lateral pg_advisory_lock(t.a) l;
select * from rows from (pg_advisory_lock(1), login(2)) as x;
select 1 order by pg_advisory_lock(1);
select 1 limit login(1);
select count(*) filter (where pg_try_advisory_lock(1)) from t