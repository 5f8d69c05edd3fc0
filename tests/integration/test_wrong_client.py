"""Ways to make a server say one reply more, or half of one: the next client must not read it."""
import pytest
from wire import SYNC, bind, copy_data, errors, execute, msg, parse, query, rows


@pytest.mark.ours
@pytest.mark.parametrize("end", [SYNC, SYNC + msg("c"), msg("c") + SYNC, msg("H") + SYNC + SYNC])
@pytest.mark.parametrize("extended", [False, True])
def test_a_sync_behind_a_failing_copy_leaves_no_reply_for_the_next_client(pooler, end, extended):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as setup:
        setup.ask("create table if not exists numbers (n int)")
    start = parse("", "copy numbers from stdin") + bind("", "") + execute() if extended else query("copy numbers from stdin")
    for round_number in range(5):
        with p.wire() as culprit, p.wire() as victim:
            culprit.send(start + copy_data("not a number\n") + end)
            for asked in range(3):
                mark = f"{round_number}-{asked}"
                assert rows(victim.ask(f"select '{mark}'")) == [[mark]]


@pytest.mark.ours
def test_a_flush_does_not_switch_off_the_idle_transaction_timeout(pooler):
    p = pooler(pool_mode="transaction", idle_transaction_timeout=1)
    with p.wire() as client:
        client.ask("begin")
        client.send(msg("H"))
        assert [error["M"] for error in errors(client.closed())] == ["idle transaction timeout"]
