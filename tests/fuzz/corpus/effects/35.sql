select set_config('a.' || 'b', 'x', false);
select set_config('a.' || 'b', 'x', true);
select set_config(('a.b'), 'x', false);
select set_config(cast('a.b' as text), 'x', false);
select set_config('a.b'::pg_catalog.text, 'x', false);
select set_config('a.b'::varchar(10), 'x', false)