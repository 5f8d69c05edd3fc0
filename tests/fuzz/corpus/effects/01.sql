set a.b.c = 'deep';
set session.user_id = 5;
set session session.user_id = 5;
set local.x = 1;
set local local.x = 1;
set role.x = 1