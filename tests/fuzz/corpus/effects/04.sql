set session characteristics as transaction read only;
set session characteristics as transaction isolation level serializable, read write;
set transaction isolation level serializable;
set transaction snapshot '00000003-0000001B-1';
set constraints all deferred;
set local work_mem = '1MB'