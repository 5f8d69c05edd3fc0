select set_config($1, $2, true);
select set_config('a.b', 'x', true);
select set_config('a.b', 'x', 't'), set_config('c.d', 'x', 'f');
select set_config('a.b', 'x', 'true'::boolean);
select set_config('a.b', 'x', not false);
select set_config('a.b', 'x', 1 = 1)