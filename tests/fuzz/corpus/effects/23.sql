insert into s.t values (1, login(2));
insert into s.t as x (a) values (login(2)) on conflict (a) do update set a = audit(x.a);
insert into temp (a) values (1);
insert into t default values returning pg_advisory_lock(1);
insert into t table u;
with l as (insert into t values (1) returning login(a)) select * from l