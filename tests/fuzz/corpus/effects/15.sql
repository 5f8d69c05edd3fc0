create local temp table t ();
create global temporary table t ();
create temp table t as select 1;
create temp table t (a, b) as values (1, 2);
create temp table t as execute p(1);
create temp table t on commit delete rows as select login(1)