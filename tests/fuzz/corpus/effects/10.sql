reset transaction isolation level;
reset all;
RESET "all";
discard all;
discard temp;
discard temporary