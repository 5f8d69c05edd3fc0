set local role alice;
set local session authorization bob;
set local time zone 'UTC';
set role alice;
set role none;
set session role alice