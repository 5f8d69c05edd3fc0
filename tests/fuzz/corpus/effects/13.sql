do $a$ begin perform set_config('a.b', 'x', false); end $a$ language plpgsql;
declare c cursor for select 1;
declare c cursor with hold for select 1;
declare c binary insensitive scroll cursor with hold for select login(1);
declare c no scroll cursor without hold for select pg_advisory_lock(1);
declare hold cursor for select 1