select '\'' || 'x', pg_advisory_lock(1);
select 1 as set, 2 as listen, 3 as "load";
select * from temp;
select temp.a from temp;
grant execute on function f() to public;
grant select on t to public