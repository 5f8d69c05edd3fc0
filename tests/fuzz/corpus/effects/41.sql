select app.lower('x'), pg_catalog.lower('y');
select a.b.login('x');
select ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff(1);
select é(1);
select lower(a), count(*), extract(year from b), substring(c from 1 for 2), position('a' in d), trim(both from e) from t;
select overlay(a placing b from 1), cast(a as numeric(10, 2)), xmlelement(name x, 1), normalize(a), grouping(b) from t group by b