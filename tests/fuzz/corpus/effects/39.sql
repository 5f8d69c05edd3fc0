select login('x');
select Login('x'), "Login"('x'), "my login"('x');
select app.login('x');
select "x-lower"(1);
select "%"(1);
select "1lower" (2), 3