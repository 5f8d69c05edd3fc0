update t set a = login(b) where c;
update t set (a, b) = (select login(1), 2) from u returning audit(a);
update pg_settings set setting = '1' where name = 'work_mem';
update pg_catalog.pg_settings set setting = '1' where name = 'work_mem';
delete from t using login(1) u where t.a = u.a returning pg_advisory_unlock(1);
merge into t using login(1) u on t.a = u.u when matched then update set a = audit(2) when not matched then insert (a) values (pg_advisory_lock(1))