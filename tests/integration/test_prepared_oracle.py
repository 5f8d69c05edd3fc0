"""A differential oracle: random programs of extended-protocol messages from several clients, who share two servers,
are answered byte for byte as a PostgreSQL of one's own answers them.

PGWEIR_ORACLE_PROGRAMS says how many (default 300), PGWEIR_ORACLE_SEED where they begin; a failure prints its seed.
"""
import os
import random
import re

import pytest
import servers
from wire import FLUSH, SYNC, bind, close, describe, execute, parse, query

pytestmark = pytest.mark.ours

PROGRAMS = int(os.environ.get("PGWEIR_ORACLE_PROGRAMS", "300"))
FIRST_SEED = int(os.environ.get("PGWEIR_ORACLE_SEED", "1"))
BLOCKS = 10

# text: how many parameters
TEXTS = {"select 1": 0, "select 'two' as b, 2": 0, "select $1::int * 10": 1, "select $1 || 'x'": 1, "select 1/$1::int": 1,
         "select generate_series(1, $1::int)": 1, "selec": 0, "select * from nowhere": 0, "begin": 0, "commit": 0, "rollback": 0,
         "insert into t_oracle values ($1)": 1, "savepoint s": 0, "": 0, "deallocate all": 0,
         "select '" + "long" * 800 + "'": 0}
NAMES = ["", "", "a", "b", "c"]


def message(dice, bound):
    kind = dice.choices("PBDECHQG", (7, 9, 4, 9, 3, 1, 2, 1))[0]
    name, portal = dice.choice(NAMES), dice.choice(["", "", "", "p"])
    if kind == "P":
        return parse(name, dice.choice(list(TEXTS)), dice.choice([(), (), (), (23,)]))
    if kind == "B":
        return bind(portal, name, [dice.choice(["1", "0", "3", "x"])] * dice.choice([0, 0, 1]))
    if kind == "D":
        return describe("S", name) if dice.random() < 0.6 else describe("P", portal)
    if kind == "E":
        return execute(portal, dice.choice([0, 0, 2]))
    if kind == "C":
        return close("S", name) if dice.random() < 0.8 else close("P", portal)
    if kind == "H":
        return FLUSH
    if kind == "Q":
        return query(dice.choice(["select 'q'", "select 1/0", "begin", "rollback", "commit", "deallocate all", "select 1; select 2"]))
    return parse(name, "select $1::int * 10") + bind("", name, ["4"]) + execute()


def batch(dice):
    """Bytes, and how many ReadyForQuery they are owed."""
    said, owed = b"", 0
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        for _ in range(dice.randint(1, 6)):
            one = message(dice, None)
            said += one
            # A Query after an error in the same batch is skipped: only what follows a Sync is certain.
            if one[:1] == b"Q":
                said = said[:-len(one)] + SYNC + one
                owed += 2
        said += SYNC
        owed += 1
    return said, owed


def program(seed, clients):
    dice = random.Random(seed)
    return [(dice.randrange(clients), *batch(dice)) for _ in range(dice.randint(4, 14))]


def answers(conn, owed):
    said = [message for _ in range(owed) for message in conn.until()]
    return [(message.tag, re.sub(rb"L\d+\0", b"", message.body)) for message in said]


CLEANING = [query("rollback"), query("deallocate all; delete from t_oracle")]


@pytest.fixture(scope="module")
def three_each(cluster, binary):
    with cluster.connect("p3") as conn:
        conn.execute("create table if not exists t_oracle(a int); grant all on t_oracle to public")
    pooler = servers.Pooler(cluster, binary, pool_mode="transaction", default_pool_size=2, max_prepared_statements=3)
    yield [pooler.wire("p3", timeout=3) for _ in range(3)], [cluster.wire("p3") for _ in range(3)]
    assert not (wrong := pooler.finish()), wrong


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_programs_are_answered_as_postgres_answers_them(three_each, block):
    """While one client holds a transaction the others share what is left; no more than one does so for long."""
    pooled, direct = three_each
    for seed in range(FIRST_SEED + block * PROGRAMS // BLOCKS, FIRST_SEED + (block + 1) * PROGRAMS // BLOCKS):
        print(f"seed {seed}", flush=True)
        busy = set()
        for turn, (who, said, owed) in enumerate(program(seed, 3)):
            if who not in busy and len(busy) == 2:
                who = min(busy)
            expected = answers(direct[who].send(said), owed)
            got = answers(pooled[who].send(said), owed)
            assert got == expected, f"seed {seed}, turn {turn}, client {who}: {said}"
            (busy.discard if pooled[who].status == "I" else busy.add)(who)
        for clean in CLEANING:
            # Who holds a server first: the others may have to wait for it.
            for conn in [pooled[who] for who in sorted(range(3), key=lambda i: i not in busy)] + direct:
                answers(conn.send(clean), 1)
