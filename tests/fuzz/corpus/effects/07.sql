set names 'utf8';
set names;
set schema 's1';
set session schema 's1';
set seed 0.5;
set xml option document