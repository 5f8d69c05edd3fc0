explain select pg_advisory_lock(1);
explain analyze select set_config('a.b', 'x', false);
explain (analyze, costs off) execute p(1);
explain (analyze) create temp table t as select 1;
explain analyze declare c cursor with hold for select login(1);
prepare p as select 1