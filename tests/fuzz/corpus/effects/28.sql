values (pg_advisory_lock(1)), (login(2));
table t;
select pg_advisory_lock(1);
select pg_advisory_lock(1, 2), pg_advisory_lock_shared(3);
select pg_try_advisory_lock(1);
select pg_try_advisory_lock_shared(1, 2)