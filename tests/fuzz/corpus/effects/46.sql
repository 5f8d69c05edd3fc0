show work_mem;
vacuum (analyze) t;
lock table t in share mode;
truncate t;
select 1;
;