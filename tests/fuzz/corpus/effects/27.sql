prepare p (text) as select set_config('a.b', $1, false);
prepare p as insert into t select pg_advisory_lock(1);
execute p;
EXECUTE "My plan"(1, login(2));
execute U&"pl\0061n";
deallocate p