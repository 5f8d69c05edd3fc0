select pg_advisory_lock	(1);
select pg_advisory_lock
(1);
select pg_advisory_lock /* ( */ (1);
select pg_advisory_lock -- (
 (1);
select U&"pg_advisory\005flock"(1);
select U&"pg!005fadvisory_lock" uescape '!' (1)