discard plans;
discard sequences;
listen news;
LISTEN "News";
listen U&"n\0065ws";
unlisten news