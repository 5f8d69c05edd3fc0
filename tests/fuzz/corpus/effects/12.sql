unlisten *;
notify news, 'x';
load 'auto_explain';
load '$libdir/plugins/x';
do $$begin perform 1; end$$;
do language plpgsql 'begin end'