declare "with hold" cursor for select set_config('a.b', 'x', false);
close c;
close all;
fetch 2 from c;
create temp table t (x int);
create temporary table if not exists t (x int) on commit drop