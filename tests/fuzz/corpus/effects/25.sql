merge into t as x using (select pg_advisory_lock(1) as a) y on x.a = y.a when matched then delete;
call refresh();
call app.refresh(login(1));
copy (select login(1)) to stdout;
copy t from stdin;
copy t (a) from stdin where login(a) = 1