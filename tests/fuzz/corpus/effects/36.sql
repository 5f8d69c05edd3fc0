select set_config(E'a.b', 'x', false);
select set_config(E'a\x2eb', 'x', false);
select set_config(U&'a.b', 'x', false);
select set_config($$a.b$$, 'x', false);
select set_config('a''b', 'x', false);
select set_config(name, setting, false) from t