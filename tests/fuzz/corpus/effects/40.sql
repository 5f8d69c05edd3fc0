select "$lower"(3);
select "a.lower"(4);
select "lower "(5);
select "a""lower"(6);
select lower(a), "lower"(b), pg_catalog."upper" (c);
select "app" . "login" ('x')