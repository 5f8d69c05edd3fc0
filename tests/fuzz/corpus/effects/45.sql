create role listen;
savepoint s;
rollback to s;
release s;
start transaction read only;
commit and chain