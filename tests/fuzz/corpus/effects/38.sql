select set_config('a.b', (select set_config('c.d', 'x', false)), false);
select set_config(variadic array['a', 'b']);
select pg_catalog.set_config('a.b', 'x', false), pg_catalog . "set_config" ('c.d', 'x', false);
select app.set_config('a.b', 'x', false);
with x as (select set_config('a.b', 'x', false)) select * from x;
select * from set_config('a.b', 'x', false)