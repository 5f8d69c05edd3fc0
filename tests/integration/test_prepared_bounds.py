"""What prepared statements may cost the pooler: bounded in statements, in bytes, and for each client."""
import pytest
from statements import codes, prepare, run, server_names
from test_hostile import resident_kib
from wire import SYNC, Closed, close, errors, parse, query, rows, tags

pytestmark = pytest.mark.ours


def counter(pooler, name):
    return next(int(row["value"]) for row in pooler.command("show prepared_statements") if row["name"] == name)


@pytest.mark.parametrize("how", ["by message", "in SQL"])
def test_a_client_that_never_closes_its_statements_closes_itself(pooler, how):
    p = pooler(pool_mode="transaction", default_pool_size=1, max_client_statement_bytes=1_000_000)

    def more(conn, i):
        text = f"select {i}, length('{'x' * 20000}')"
        conn.send(parse(f"s{i}", text) + SYNC if how == "by message" else query(f"prepare s{i} as {text}"))
        return conn.until()

    with p.wire() as other, p.wire() as greedy:
        prepare(other, "mine", "select 'mine'")
        held = 0
        with pytest.raises(Closed):
            for held in range(200):
                reply = more(greedy, held)
                if reply[0].tag == "E":
                    said = reply
                    break
            else:
                raise AssertionError("no bound")
            assert errors(said)[0]["C"] == "53400" and "max_client_statement_bytes" in errors(said)[0]["M"]
            greedy.until()
        assert 45 <= held <= 52
        assert rows(run(other, "mine")) == [["mine"]]
    p.log_has("prepared statements too large")


def test_a_statement_that_is_too_much_by_itself_is_told_at_its_sync(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, max_client_statement_bytes=100_000)
    with p.wire() as conn:
        replies = conn.send(parse("s", f"select length('{'x' * 200_000}')") + SYNC).closed()
        assert codes(replies) == ["53400"]


def test_who_closes_its_statements_may_have_any_number(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, max_client_statement_bytes=200_000, max_prepared_statements=20)
    with p.wire() as conn:
        for i in range(300):
            prepare(conn, "s", f"select {i}, length('{'x' * 20000}')")
            assert tags(conn.send(close("S", "s"), SYNC).until()) == "3Z"
        for i in range(300):
            assert not codes(conn.ask(f"prepare s as select {i}, length('{'x' * 20000}'); deallocate s"))


def test_texts_that_nobody_uses_are_bounded_in_bytes(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, max_prepared_statements=10, workers=1)
    with p.wire() as conn:
        for i in range(300):
            conn.send(parse("s", f"select {i}, length('{'x' * 40000}')"), close("S", "s"), SYNC).until()
        assert len(server_names(conn)) == 10
    assert counter(p, "unused_bytes") <= counter(p, "unused_bytes_max") == 4 << 20
    assert counter(p, "texts_dropped") > 150 and counter(p, "texts") < 120
    assert counter(p, "text_bytes") < 5 << 20


def test_many_names_of_one_text_cost_the_name(pooler):
    """10,000 names: what a client with a statement cache that never evicts holds."""
    p = pooler(pool_mode="transaction", default_pool_size=1, workers=1)
    with p.wire() as conn:
        prepare(conn, "s", "select 1")
        before = resident_kib(p)
        for start in range(0, 10_000, 500):
            assert tags(conn.send(*(parse(f"S_{start + i}", "select 1") for i in range(500)), SYNC).until()) == "1" * 500 + "Z"
        assert counter(p, "client_names") == 10_001 and counter(p, "texts") == 1
        assert (resident_kib(p) - before) * 1024 / 10_000 < 110
        assert rows(run(conn, "S_77")) == [["1"]] and codes(run(conn, "S_10000")) == ["26000"]
        assert tags(conn.send(*(close("S", f"S_{i}") for i in range(0, 10_000, 2)), SYNC).until()) == "3" * 5000 + "Z"
        assert codes(run(conn, "S_78")) == ["26000"] and all(rows(run(conn, f"S_{i}")) == [["1"]] for i in (1, 79, 9999))
        assert counter(p, "client_names") == 5001
        conn.ask("deallocate all")
        assert counter(p, "client_names") == 0

