/* first */ set /* it */ app . x -- is
 to 'commented';
set
	work_mem
= '7MB';
SET statement_timeout='5s'; SELECT 1;
select 1; set lock_timeout = '5s'; select 2;
begin; set work_mem = '1MB'; commit;
reset work_mem