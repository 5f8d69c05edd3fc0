set characteristics.x = 1;
set U&"work\005fmem" = '7MB';
set U&"app"."x" = 1;
set app.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx = 1;
set work_mem to default;
set work_mem from current