SET search_path TO a, b;
set search_path = app, pg_temp;
set session work_mem = '7MB';
SET SESSION "App"."Tenant" TO 'x';
set app.tenant to 'a', 'b';
set app.x = 7