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