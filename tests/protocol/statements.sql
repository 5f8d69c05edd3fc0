SELECT * FROM users WHERE id = 42
select * from users where id = $1
SELECT "users".* FROM "users" WHERE "users"."email" = 'a@b.c' LIMIT 1
SELECT "users".* FROM "users" WHERE "users"."name" = 'a@b.c' LIMIT 1
SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.country IN ('DE', 'FR') AND o.total > 100.50
SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.country IN ('DE') AND o.total > 7
SELECT count(*) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id WHERE c.country IN ('DE') AND o.total > 7
INSERT INTO events (id, kind, payload) VALUES (1, 'a', '{"x": 1}'::jsonb) ON CONFLICT (id) DO NOTHING
INSERT INTO events (id, kind, payload) VALUES (1, 'a', '{"x": 1}'::jsonb), (2, 'b', '{}'::jsonb) ON CONFLICT (id) DO NOTHING
INSERT INTO events (id, kind, payload) VALUES (1, 'a', '{"x": 1}'::jsonb) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind
UPDATE accounts SET balance = balance - 100 WHERE id = 5 RETURNING balance
UPDATE accounts SET balance = balance + 100 WHERE id = 5 RETURNING balance
UPDATE accounts SET balance = balance - $1 WHERE id = $2 RETURNING balance
DELETE FROM sessions WHERE expires_at < now() - interval '1 day'
DELETE FROM sessions WHERE expires_at < now() - interval '1' day
WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT sum(n) FROM t
WITH RECURSIVE t(n) AS (VALUES (1) UNION SELECT n + 1 FROM t WHERE n < 100) SELECT sum(n) FROM t
SELECT data->>'name' FROM docs WHERE data @> '{"a": 1}' AND data ? 'b'
SELECT data->'name' FROM docs WHERE data @> '{"a": 1}' AND data ? 'b'
SELECT a FROM t WHERE b ~* 'x.*' AND c !~ 'y'
SELECT a FROM t WHERE b ~ 'x.*' AND c !~ 'y'
SELECT * FROM t WHERE a = ANY($1::int[])
SELECT * FROM t WHERE a = ANY('{1,2,3}'::int[])
SELECT * FROM t WHERE a = ALL($1::int[])
SELECT row_number() OVER (PARTITION BY a ORDER BY b DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
SELECT row_number() OVER (PARTITION BY a ORDER BY b DESC ROWS BETWEEN 5 PRECEDING AND CURRENT ROW) FROM t
SELECT row_number() OVER (PARTITION BY a ORDER BY b ASC ROWS BETWEEN 5 PRECEDING AND CURRENT ROW) FROM t
SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END FROM t /* traceparent='00-1-2-01' */
SELECT CASE WHEN a > 2 THEN 'z' ELSE 'q' END FROM t -- the end
SELECT CASE WHEN a < 2 THEN 'z' ELSE 'q' END FROM t
SELECT /* outer /* inner */ still */ 1 FROM t
SELECT E'it''s \' here' FROM t
SELECT 'it''s here' FROM t
SELECT $tag$ it's $$ here $tag$ FROM t
SELECT U&'\0041' FROM t
SELECT U&"\0041" FROM t
SELECT "select" FROM "from"
SELECT "Select" FROM "from"
SELECT "current_user"
SELECT current_user
SELECT "user" FROM t
SELECT user FROM t
SELECT "null" FROM t
SELECT null FROM t
SELECT a.b.c FROM a.b
SELECT (a).b FROM a
SELECT (a.b).c FROM a
SELECT a[1:2] FROM t
SELECT a[1][2] FROM t
SELECT f(a => 1, b => 2)
SELECT f(a := 1, b := 2)
SELECT f(1, 2)
SELECT 1 AS a
SELECT 1 AS b
SELECT 1.5e10, .5, 5., 0.1e-3
SELECT date '2020-01-01'
SELECT time '10:00'
SELECT timestamp with time zone '2020-01-01 00:00:00+00'
SELECT timestamp without time zone '2020-01-01 00:00:00+00'
SELECT CAST('1' AS integer)
SELECT CAST('1' AS bigint)
SELECT x::numeric(10,2) FROM t
SELECT x::numeric(12,4) FROM t
SELECT x::numeric FROM t
SELECT x::integer ARRAY[3] FROM t
SELECT x::integer ARRAY[4] FROM t
SELECT ARRAY[ARRAY[1, 2], ARRAY[3, 4]]
SELECT ARRAY[[1, 2], [3, 4]]
SELECT ARRAY[[1, 2], [3, 4], [5, 6]]
SELECT ARRAY[a, a] FROM t
SELECT ARRAY[a, a, a] FROM t
SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))
SELECT a FROM t WHERE (a, b) IN ((1, 2))
SELECT a FROM t WHERE a NOT IN (1, 2, 3)
SELECT a FROM t WHERE a IN (SELECT 1)
SELECT a FROM t WHERE a IN (SELECT 1, 2)
SELECT a FROM t WHERE a IN (VALUES (1), (2))
SELECT a FROM t WHERE a IN (VALUES (1))
SELECT position('a' in ('b'))
SELECT position('a' in 'b')
SELECT substring('abc' from 1 for 2)
SELECT substring('abc', 1, 2)
SELECT trim(both 'x' from 'xax')
SELECT trim(leading 'x' from 'xax')
SELECT overlay('abc' placing 'x' from 1)
SELECT extract(epoch from now())
SELECT extract(dow from now())
SELECT now() AT TIME ZONE 'UTC'
SELECT a FROM t ORDER BY a NULLS FIRST LIMIT 10 OFFSET 20
SELECT a FROM t ORDER BY a NULLS LAST LIMIT 10 OFFSET 20
SELECT a FROM t FETCH FIRST 5 ROWS ONLY
SELECT a FROM t FETCH FIRST 5 ROWS WITH TIES
SELECT a FROM t FOR UPDATE
SELECT a FROM t FOR UPDATE SKIP LOCKED
SELECT a FROM t FOR SHARE
SELECT DISTINCT a FROM t
SELECT DISTINCT ON (a) a FROM t
SELECT ALL a FROM t
SELECT a FROM ONLY t
SELECT a FROM t UNION SELECT a FROM u
SELECT a FROM t UNION ALL SELECT a FROM u
SELECT a FROM t EXCEPT SELECT a FROM u
SELECT a FROM t, LATERAL (SELECT 1) x
SELECT a FROM t GROUP BY ROLLUP (a, b)
SELECT a FROM t GROUP BY CUBE (a, b)
SELECT a FROM t GROUP BY GROUPING SETS ((a), (b))
SELECT count(*) FILTER (WHERE a > 1) FROM t
SELECT string_agg(a, ',' ORDER BY b) FROM t
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t
SELECT a FROM generate_series(1, 10) AS g(a)
SELECT a FROM generate_series(1, 10) WITH ORDINALITY AS g(a)
SELECT a FROM t WHERE a IS NULL
SELECT a FROM t WHERE a IS NOT NULL
SELECT a FROM t WHERE a IS DISTINCT FROM 1
SELECT a FROM t WHERE a BETWEEN 1 AND 5
SELECT a FROM t WHERE a BETWEEN SYMMETRIC 1 AND 5
SELECT a FROM t WHERE a LIKE 'x%'
SELECT a FROM t WHERE a ILIKE 'x%'
SELECT a FROM t WHERE a SIMILAR TO 'x%'
SELECT a OPERATOR(pg_catalog.+) 1 FROM t
SELECT @ -5, |/ 25, 2 ^ 3, 5 % 2
SELECT a<-1 FROM t
SELECT a < -1 FROM t
SELECT a <@ b, a @> b, a && b FROM t
SELECT a || 'x' || b FROM t
SELECT - a FROM t
SELECT - 1
SELECT - (1)
SELECT - ('1')
SELECT - $1
SELECT -1 + -2
SELECT f(-1, +2)
SELECT +1
BEGIN
BEGIN ISOLATION LEVEL SERIALIZABLE
START TRANSACTION READ ONLY
COMMIT
COMMIT AND CHAIN
ROLLBACK
ROLLBACK TO SAVEPOINT s1
ROLLBACK TO s2
SAVEPOINT "s-1"
RELEASE SAVEPOINT s1
SET search_path TO a, b
SET LOCAL work_mem = '64MB'
SET work_mem = '64MB'
SET SESSION work_mem = '64MB'
SET TIME ZONE 'UTC'
RESET ALL
SHOW work_mem
DISCARD ALL
LISTEN a
LISTEN b
UNLISTEN *
NOTIFY a
LOCK TABLE t IN EXCLUSIVE MODE
LOCK TABLE t IN SHARE MODE
TRUNCATE t
TRUNCATE t CASCADE
VACUUM t
VACUUM (ANALYZE) t
ANALYZE t
CREATE TABLE x (a int PRIMARY KEY, b text NOT NULL)
CREATE TABLE x (a bigint PRIMARY KEY, b text NOT NULL)
CREATE TEMP TABLE x AS SELECT 1
CREATE INDEX ON t (a)
CREATE INDEX CONCURRENTLY ON t (a)
CREATE INDEX i ON t USING gin (a) WHERE b = 5
CREATE EXTENSION hstore VERSION '1.0'
CREATE EXTENSION hstore VERSION '1.1'
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$select 1$$
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$select a$$
CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END
CREATE TYPE mood AS ENUM ('a', 'b')
CREATE TYPE mood AS ENUM ('a', 'c')
CREATE ROLE r PASSWORD 'x'
ALTER TABLE t ADD COLUMN c varchar(10)
ALTER TABLE t DROP COLUMN c
ALTER TABLE t ALTER COLUMN c SET DEFAULT 5
ALTER SEQUENCE s RESTART WITH 5
ALTER SEQUENCE s RESTART WITH 6
DROP TABLE t
DROP TABLE IF EXISTS t
GRANT SELECT ON t TO r
GRANT INSERT ON t TO r
REVOKE SELECT ON t FROM r
COPY t FROM STDIN
COPY t FROM STDIN WITH (FORMAT csv)
COPY t TO '/tmp/x'
COPY t TO '/tmp/y'
EXPLAIN SELECT 1
EXPLAIN ANALYZE SELECT 1
EXPLAIN (FORMAT json) SELECT 1
EXPLAIN (FORMAT 'json') SELECT 1
EXPLAIN (FORMAT 'yaml') SELECT 1
FETCH NEXT FROM c
FETCH ALL FROM c
FETCH BACKWARD 5 FROM c
MOVE 5 IN c
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1
CLOSE ALL
PREPARE p (int) AS SELECT $1
EXECUTE p (5)
DEALLOCATE PREPARE p
CALL p(1, 'x')
CALL q(1, 'x')
REFRESH MATERIALIZED VIEW v
CHECKPOINT
REINDEX TABLE t
CLUSTER t USING i
SECURITY LABEL ON TABLE t IS 'a'
COMMENT ON COLUMN t.a IS 'x'
MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 1 WHEN NOT MATCHED THEN INSERT VALUES (1, 2)
MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE
TABLE t
VALUES (1, 'a'), (2, 'b')
INSERT INTO t DEFAULT VALUES
INSERT INTO t SELECT * FROM s
INSERT INTO t (a) VALUES (DEFAULT)
INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1)
SELECT * FROM xmltable('/a' PASSING b COLUMNS c int PATH 'd')
SELECT xmlelement(name a, xmlattributes(b as c))
SELECT * FROM t AS x(a, b)
SELECT * FROM f() AS x(a int, b text)
SELECT * FROM f() AS x(a int[3], b text)
SELECT * FROM f() AS x(a int[4], b text)
SELECT interval(3) '1 second'
SELECT x::time(3), x::timestamp(3) with time zone
SELECT localtimestamp(1), localtime(2), current_time(3)
SELECT localtimestamp(2), localtime(2), current_time(3)
SELECT x::bit(5), x::bit varying(6), x::char(3)
SELECT x::"char", x::char
SELECT a collate "C" FROM t
SELECT a collate "de_DE" FROM t
SELECT B'0101', X'1F', N'abc'
select 1
select 'a'
select $1
select $2
select null
select true
select -1
select n'a'
select b'01'
select a from t where x in (1)
select a from t where x in (1,2)
select a from t where x in ($1,$2)
select a from t where x in ($1,$2,3)
select a from t where x in (b)
select a from t where x in (b,b)
select a from t where x in (1::int,2::int)
select a from t where x in (1,b,2)
select a from t where x in (1,b)
select a from t where x in (b,1)
select array[1,2]
select array[1]
select array[1,2,3]
insert into t values (1,2)
insert into t values (1,2),(3,4)
insert into t values (1,2),(3,4,5)
insert into t values (1,default),(3,4)
values (1),(2)
values (1)
select * from (values (1,2),(3,4)) x
select * from (values (1,2)) x
select f(-1)
select f(1)
select a + 1
select a + -1
select a = $1 and b = $2
select a = $1 and b = $1
set x to 1
set x to 'a'
set x to 'b'
set x to a
notify a, 'x'
notify a, 'y'
savepoint a
savepoint b
release a
release b
rollback to a
rollback to b
fetch 5 from a
fetch 6 from a
fetch 5 from b
declare a cursor for select 1
declare b cursor for select 2
close a
close b
deallocate a
deallocate all
prepare a as select 1
prepare b as select 2
execute a(1)
execute b(2)
select x::float(10)
select x::float(40)
select current_timestamp(3)
select current_timestamp(4)
select x::int[3]
select x::int[4]
select x[3]
select x[4]
select x::varchar(3)
select x::varchar(4)
do $$begin end$$
do $$begin null; end$$
comment on table a is 'x'
comment on table a is 'y'
create table a (x int default 5)
create table a (x int default 6)
alter role a password 'x'
alter role a password 'y'
explain (analyze 1) select 1
explain (analyze 0) select 1
copy (select 1) to stdout with (delimiter ',')
copy (select 2) to stdout with (delimiter ';')
select a from t limit 5
select a from t limit all
select a from t limit null
select a from t group by 1
select a from t group by 1,2
select a from t order by 1, 2
select a from t order by 2, 1
select interval '1' year
select interval '1' month
select extract(year from x)
select extract('month' from x)
select a, a from t
select a from t
select 1, 2
select 1; select 2
select 1;
select u&'a' uescape '!'
select U&"d!0061t" uescape '!'
select U&"d!0061t" uescape '?'
select xmlroot(x, version '1.0')
select xmlroot(x, version '1.1')
select 'a' like 'b' escape 'c'
select 'a' like 'b'
call f(1)
call f(2)
select * from t tablesample system (1) repeatable (3)
select * from t tablesample system (2) repeatable (4)
select a -1
select 1 + 1
select -1 + 1
select - 1::int
select 1::int
select int '1'
select '1'::int
select * from t where a between 1 and 2
prepare transaction 'a'
prepare transaction 'b'
set transaction snapshot 'a'
set transaction snapshot 'b'
set time zone interval '1' hour to minute
set role 'a'
set role 'b'
set role b
update t set a = -1 where -1 > (f(n'q'::int, case when (x'1f')::float(10) then n'q'-1e5 else $1 end))::int[2] returning a
select ($$x$$, $$x$$)
select case when n'q' then 1e5 else b end, array[-1] from t where ($2, a in (1.5, 1, $2)) = t.a
update t set a = (position(b in ($2, 1e5, -1))) where A > (n'q') returning a
select * from (values ($2), (2), (2)) x
select -1
update t set a = a[2]-$1 where 2 > ("B") + "B" returning a
update t set a = f(1, (select a[2])) where a[3] > 1e5-a[2] in (a, (('b')::int[3], ('b')::int[2]::int)) returning a
insert into t values ($1, $1), (x'1f', default), (default, x'1f')
delete from t where a = any(array['b', x'1f', $2]) /* 0.7430161368299335 */
select a from t where (a,b) in (($1,x'1f'), ($2,1)) limit 1
select * from (values ($$x$$)) x
insert into t values ((($$x$$, 1e5))::int[3]), (default), (n'q')
select f(("a"), - 2)
select a from t where (a,b) in ((1e5,-1), ('b',e'\\n')) limit 3
select (select A), 'b' from t where e'\\n' = (select e'\\n')
select * from (values (-1, 2), ($$x$$, 'a'), (e'\\n', $$x$$)) x
select "B"
select (b-1)::int[2] + $1
select * from (values (1e5), ('b'), (-1)) x
select a from t where (a,b) in ((n'q',1e5)) limit 4
select -1, x'1f' from t where t.a = array[t.a, x'1f', -1]
select a from t where (a,b) in (($$x$$,2)) limit 1
select a from t where (a,b) in (($1,1e5)) limit 2
select * from (values (1e5), (1)) x
insert into t values (default, n'q')
select x'1f' + a[3]
update t set a = array[case when 1.5 then $2 else -1 end] where 1 > - e'\\n' returning a
update t set a = -1 where ("a")-a in (1e5)-- (a[1], (x'1f')) > 1.5 returning a
select 1
select a from t where (a,b) in ((-1,x'1f')) limit 3
select 1e5
update t set a = x'1f' where $2 > position(a in (1.5)) returning a
select "B", f(b, 1.5) from t where b in (n'q') = array[x'1f', f($$x$$, n'q'), t.a]
select * from (values ('b')) x
insert into t values (2, 1), ('a', x'1f')
insert into t values (default), (1.5)
select * from (values (n'q', $1)) x
select b
delete from t where a = any(array['b', 'a', e'\\n']) /* 0.05575513797662246 */
select 1.5
select $1
update t set a = f(-1, $1) where f(($2, n'q'), "B") > (select ("a")::int[1]) returning a
insert into t values ('a')
insert into t values ('b', default), ('a', ($2)::int[1] + - 1e5), ("a", 1.5)
delete from t where a = any(array[$2, 1e5]) /* 0.20841353437394872 */
select * from (values (n'q', e'\\n'), ($1, 1.5)) x
select 2
delete from t where a = any(array['a', $2]) /* 0.8831920822188978 */
delete from t where a = any(array[2]) /* 0.7993423590095585 */
select $2 in (-1, - (-1, (select 2))), $$x$$ from t where A = 'b'
delete from t where a = any(array[n'q']) /* 0.6049023853868595 */
select a in (1.5, e'\\n', 'a')
select a from t where (a,b) in (('b',$$x$$), ('b',x'1f')) limit 2
update t set a = $1 where a[3] > t.a returning a
select a in ($1)
delete from t where a = any(array[1e5, 2, 1]) /* 0.4220920062692697 */
update t set a = 1 where 2 > - -1 returning a
delete from t where a = any(array['b', -1, $$x$$]) /* 0.6766088503685044 */
select 'a'-$1, position(b in ($$x$$, 1.5)) from t where "a" = n'q'
insert into t values (array[b, - 1.5, a in ($2, 1)])
select - array[A, $$x$$, x'1f']
insert into t values (1, x'1f')
select t.a
select * from (values (1.5, x'1f'), ($2, 'b')) x
select case when 'b' then "a" + - 'b' in (a in ('b', n'q'), $$x$$ + 'a') else t.a end
select A, "a" from t where e'\\n' = x'1f'
select a[3]
select f(a in (1e5, n'q', $$x$$), f('a', position(b in (n'q', 1, 'a')) + a[1]))
delete from t where a = any(array[-1]) /* 0.9703092192193011 */
select a from t where (a,b) in ((1.5,1), (1e5,n'q')) limit 1
insert into t values (x'1f'), (1.5), (- n'q'::int)
delete from t where a = any(array[1.5, $1]) /* 0.5362708556755068 */
select ('b')::int[2], (select (- array['a'])::int[1]) from t where 'a' + $1 = "B"
select b, $$x$$ from t where (array[($$x$$), a in ('a', $$x$$, 2, 1e5)]::text)::int[2] = b-f(x'1f', (select 'a'))
delete from t where a = any(array[$1]) /* 0.08072093266657876 */
select e'\\n'
update t set a = (t.a)::int[1] where ((A, a in (1.5, $1, n'q', -1)), position(b in (e'\\n'))) > - position(a in (1, x'1f'))::text returning a
select a, "a" from t where (1e5)::float(10) = (1.5 + a in (1e5, 1e5), $1)
delete from t where a = any(array[1e5]) /* 0.20071180938912958 */
select (1e5)::float(10), 'b' from t where case when "a" then 1 else 1 in ((select - $1)) end = A
delete from t where a = any(array[x'1f', 'b']) /* 0.7872313458068312 */
update t set a = 1 where 1.5 > 2 returning a
select case when $1 + "a" then (t.a)::int[1]-f(e'\\n', 2) else "a" in ((($2)::int[1])) end
select a from t where (a,b) in (($1,'a'), ($2,'b')) limit 4
delete from t where a = any(array[n'q']) /* 0.5792388378389046 */
delete from t where a = any(array[1, -1, 1]) /* 0.3052000998486929 */
insert into t values (-1, default)
delete from t where a = any(array['b', 'a', $1]) /* 0.9257813337380695 */
select 2
select a from t where (a,b) in ((-1,1), (x'1f',1.5), (x'1f','a')) limit 3
update t set a = t.a where a[1] > position(b in ('a', e'\\n')) returning a
select (position(a in ($$x$$)))::float(10), 'a' from t where $2 = 2
select 2, 2 from t where 'b' = case when array[a, "B"] then e'\\n' else a end
insert into t values (default), (default), (x'1f')
select $$x$$, A from t where e'\\n' = $$x$$
update t set a = -1 where array[x'1f'] in (('a')::int[1], position(b in ('b', n'q', 1.5)) + position(a in (1e5, n'q', e'\\n'))) > f(f('a', $$x$$), 1.5) in (- - x'1f', t.a)::int returning a
select (b)::int[3]
select a from t where (a,b) in ((1.5,e'\\n'), (-1,$1)) limit 3
delete from t where a = any(array[x'1f']) /* 0.278195189521089 */
select a in ('b', x'1f', 'b', e'\\n')::int, 1.5 from t where a = ($1)::int[1]
select a from t where (a,b) in ((1.5,$$x$$)) limit 3
select * from (values ($2)) x
select a from t where (a,b) in (($1,'a'), (-1,1), (1e5,$$x$$)) limit 1
update t set a = (t.a, (select f(1.5, 'a')::text)) where A > a[3] in ((- x'1f'::text)::float(40), (1.5)) returning a
select t.a
update t set a = $2 where 2 in (a in ($$x$$, 2), 'a') > $$x$$::text returning a
select * from (values (1.5, $1), (n'q', -1), (e'\\n', -1)) x
delete from t where a = any(array[$2]) /* 0.46415984989638237 */
insert into t values (t.a, 'a'), ("B" + (e'\\n')::float(40), 'a'), ('a', x'1f')
select A, f('a'::text, a in ($1)) from t where (2)::float(10) = position(b in (1e5, $2, 1e5))
delete from t where a = any(array[2]) /* 0.8237701355559837 */
select * from (values (n'q'), ($1), ($$x$$)) x
select a from t where (a,b) in ((1,1e5), (n'q',1)) limit 4
select (select b), (select 1.5)::int from t where a in (-1, n'q') = $$x$$-n'q'
select * from (values (1e5)) x
select * from (values ('a'), ('a')) x
insert into t values (1), (default), (default)
insert into t values ("a", $$x$$)
update t set a = a[3] where 1e5-((select $1)-f(n'q', -1), ((select n'q'))) > (2)::int[1] returning a
delete from t where a = any(array[2, $$x$$]) /* 0.08416921358232843 */
select a from t where (a,b) in ((2,'b'), ($$x$$,2), (e'\\n','a')) limit 2
delete from t where a = any(array[x'1f', 2]) /* 0.32580774256224176 */
select * from (values (2, 'a'), (1.5, 1e5)) x
update t set a = A where (array['a', e'\\n', 1.5] in ((select -1), 1.5, "B")::int)::int[1] > ("a") returning a
select a, (1e5) from t where (n'q')::float(40)-(1)::float(10) = "B"
update t set a = ((1.5, x'1f'))::float(10) where a in (f(((select $$x$$)), f(a[2], t.a))) > "a" returning a
update t set a = "B" where (t.a)::int[3] > a in ('a', 1.5, n'q')::text returning a
select a from t where (a,b) in (($$x$$,'b'), ('b','b')) limit 3
select 2, 'b' from t where ("B" in (position(a in (1))))::float(40) = (1)::float(40)
update t set a = a[3] where $1 > (select 2) returning a
update t set a = ($$x$$ + (case when -1 then 1e5 else $1 end)::float(40))::float(40) where 'a' > - A returning a
select 'b', f(a in (a in ($2, e'\\n') in (-1, (select 1.5)), (e'\\n', 2)), a in ('b', -1, 1e5, e'\\n')) from t where 'b' in (2) = ("a")
select * from (values ($2, 2), ($$x$$, x'1f'), (-1, e'\\n')) x
select a from t where (a,b) in ((e'\\n','a'), (-1,x'1f')) limit 1
select a from t where (a,b) in (('b',1)) limit 1
select $2
select * from (values ('a'), (n'q')) x
select (x'1f' + x'1f' in (t.a + array[1, 1e5], 2, position(b in (n'q'))))::int[2], 'a' + (select (1.5 in (1.5, 1))) from t where 'b' = 1e5
insert into t values (n'q')
delete from t where a = any(array['b', 'a', x'1f']) /* 0.5495512798263547 */
insert into t values (-1, $2), (default, default), ($2, $$x$$)
update t set a = a where $2 > $2 in ('a') returning a
delete from t where a = any(array[$2, 1.5, 1.5]) /* 0.4792171860060692 */
select * from (values ($$x$$, 1e5)) x
select * from (values (n'q', 1)) x
select $1
select ('a')::float(40)
select array[n'q', A::text], "B" from t where a[3] = -1
select a from t where (a,b) in (('b',e'\\n'), (x'1f',1e5), (n'q','b')) limit 1
PREPARE fetch_one (int) AS SELECT * FROM t WHERE id = $1
PREPARE fetch_two (int) AS SELECT * FROM t WHERE id = $1
PREPARE "Fetch one" (int) AS SELECT * FROM t WHERE id = 7
PREPARE fetch_one (text) AS SELECT * FROM t WHERE id = $1
PREPARE fetch_one AS SELECT * FROM t WHERE id = $1
PREPARE transaction AS SELECT * FROM t WHERE id = $1
PREPARE transaction (int) AS SELECT * FROM t WHERE id = $1
PREPARE transaction (text) AS SELECT * FROM t WHERE id = $1
PREPARE TRANSACTION 'a'
PREPARE TRANSACTION 'b'
PREPARE prepare AS SELECT 1
PREPARE savepoint AS SELECT 1
PREPARE prepare (int) AS SELECT 1
PREPARE prepare (text) AS SELECT 1
PREPARE savepoint (int) AS SELECT 1
PREPARE savepoint (text) AS SELECT 1
DECLARE prepare BINARY CURSOR FOR SELECT 1
DECLARE prepare INSENSITIVE CURSOR FOR SELECT 1
DECLARE savepoint BINARY CURSOR FOR SELECT 1
DECLARE savepoint INSENSITIVE CURSOR FOR SELECT 1
SAVEPOINT savepoint
RELEASE savepoint savepoint
RELEASE savepoint
ROLLBACK TO savepoint
ROLLBACK TO SAVEPOINT savepoint
DEALLOCATE prepare
DEALLOCATE PREPARE prepare
