select pg_advisory_xact_lock(1);
select pg_advisory_unlock(1);
select pg_advisory_unlock_shared(1);
select pg_advisory_unlock_all();
SELECT PG_CATALOG.PG_ADVISORY_LOCK(1);
select pg_catalog."pg_advisory_lock"(1)