reset app.x;
reset session.user_id;
reset time.x;
reset role;
reset session authorization;
reset time zone