select set_config(setting_name => 'a.b', new_value => 'x', is_local => false);
select set_config('a.b', is_local => false, new_value => 'x');
select set_config('a.b', new_value => 'x', is_local => true);
select set_config('a.b', set_config('c.d', 'x', false), true);
select set_config(set_config('c.d', 'x', false), 'x', true);
select set_config('a.b', login(pg_advisory_lock(1)), true)