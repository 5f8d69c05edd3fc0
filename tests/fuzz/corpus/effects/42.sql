select a in (1, 2), b = any (array[1]), exists (select 1), (a, b) = (1, 2), not (c), d and (e), f between (1) and (2) from t;
select now(), current_user, current_timestamp(3), nextval('s'), uuid_in('x');
select a is distinct from login(b), login(c) collate "C", (login(d)).x, (login(e))[1] from t;
select login(distinct a order by audit(b)) from t;
select * from json_to_recordset(login(1)) as x (a int, b text);
select * from t tablesample my_method (10)