select sum(login(a)) over (partition by audit(b)) from t;
select 'pg_advisory_lock(1)', $$set_config('a', 'b', false)$$, "pg_advisory_lock" from t;
select set_config('app.tenant', '7', false);
select set_config('App.Tenant', $1, false);
select set_config($1, $2, $3);
select set_config($1::text, $2, false)