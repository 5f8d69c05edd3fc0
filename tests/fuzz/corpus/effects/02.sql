set time.x = 1;
set schema.x = 1;
set names.x = 1;
set seed.x = 1;
set xml.x = 1;
set transaction.x = 1