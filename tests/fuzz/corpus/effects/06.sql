set session authorization alice;
set session authorization default;
set session session authorization alice;
set time zone 'Asia/Tokyo';
set time zone local;
set session time zone interval '1' hour to minute