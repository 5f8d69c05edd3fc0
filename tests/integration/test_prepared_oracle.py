"""A differential oracle: random programs of extended-protocol messages, SQL PREPARE, EXECUTE and DEALLOCATE, DDL and
errors from several clients who share two servers are answered byte for byte as a PostgreSQL of one's own answers them.
In a second run the servers are killed meanwhile: a client that had none never notices, and who had one hears nothing that
PostgreSQL would not have said, and then the end.

PGWEIR_ORACLE_PROGRAMS says how many (default 10000), PGWEIR_ORACLE_SEED where they begin, PGWEIR_ORACLE_WORKERS how
many processes run them; a failure prints its seed.
"""
import multiprocessing
import os
import random

import pytest
import servers
from wire import FLUSH, SYNC, bind, close, describe, execute, parse, query

pytestmark = pytest.mark.ours

PROGRAMS = int(os.environ.get("PGWEIR_ORACLE_PROGRAMS", "10000"))
FIRST_SEED = int(os.environ.get("PGWEIR_ORACLE_SEED", "1"))
WORKERS = int(os.environ.get("PGWEIR_ORACLE_WORKERS", "4"))
CLIENTS = 3

# What may be said as a Parse or, where it has no parameters, as a Query.
TEXTS = ["select 1", "select 'two' as b, 2", "select $1::int * 10", "select $1 || 'x'", "select 1/$1::int",
         "select generate_series(1, $1::int)", "selec", "select * from nowhere", "begin", "commit", "rollback",
         "insert into {t} values ($1::text::int)", "savepoint s", "", "deallocate all", "select '" + "long" * 20 + "'",
         "select a from {t} order by a", "select * from {t} order by a limit 1", "/*a:1*/ select 1", "select 1 /*id:7*/", "select 1 /*id:8*/"]
SQL = ["prepare a as select 1", "prepare a as select 'same'", "prepare b as select 'same'", "prepare b(int) as select $1 + 1", "prepare c as selec",
       "prepare c as select nowhere", "prepare \"A b\" as select a from {t} order by a", "prepare a(int) as insert into {t} values ($1) returning a",
       "execute a", "execute b", "execute a(1)", "execute b(2)", "execute b('x')", "execute b(nowhere)", "execute c", 'execute "A b"', "explain (costs off) execute a",
       "deallocate a", "deallocate b", "deallocate c", 'deallocate prepare "A b"', "deallocate all", "discard all", "discard plans"]
STRINGS = ["select 'q'", "select 1/0", "begin", "rollback", "commit", "select 1; select 2"]
DDL = ["alter table {t} alter a type bigint", "alter table {t} alter a type int", "create temp table {t}_temp() on commit drop", "truncate {t}"]
# Under a name of their own: PostgreSQL 15 crashes when SQL EXECUTE runs one.
CONTROL = ["begin", "commit", "rollback", "savepoint s"]
NAMES = ["", "", "a", "b", "c", "s"]


class Programs:
    """Random programs about a table."""

    def __init__(self, table="t_oracle"):
        self.texts, self.sql, self.ddl = ([text.format(t=table) for text in group] for group in (TEXTS, SQL, DDL))

    def parsed(self, dice):
        """A name and a text. What is about `a`, `b` or `c` is not called so itself: it would run into itself."""
        if not self.sql_by_message or dice.random() < 0.7:
            text = dice.choice(self.texts)
            return "t" if text in CONTROL else dice.choice(NAMES), text
        return dice.choice(["", "", "s"]), dice.choice(self.sql)

    def string(self, dice):
        """A simple query: one or several statements."""
        kind = dice.random()
        if kind < 0.35:
            return dice.choice(STRINGS)
        if kind < 0.42:
            return dice.choice(self.ddl)
        if not self.sql_by_query:
            return dice.choice(["deallocate all", "discard all", "select 'q'; deallocate all", "begin; select 1"])
        return "; ".join(dice.choice(self.sql if dice.random() < 0.8 else STRINGS[:2]) for _ in range(dice.choice([1, 1, 1, 2, 3])))

    def message(self, dice):
        kind = dice.choices("PBDECHQG", (7, 9, 4, 9, 3, 1, 4, 1))[0]
        name, portal = dice.choice(NAMES + ["t"]), dice.choice(["", "", "", "p"])
        if kind == "P":
            return parse(*self.parsed(dice), dice.choice([(), (), (), (23,)]))
        if kind == "B":
            return bind(portal, name, [dice.choice(["1", "0", "3", "x"])] * dice.choice([0, 0, 1]))
        if kind == "D":
            # PostgreSQL describes an EXECUTE as it was at its Parse.
            late = self.sql_by_message and name in ("", "s")
            return describe("S", name) if dice.random() < 0.6 and not late else describe("P", portal)
        if kind == "E":
            # What an EXECUTE in SQL means is decided at its Bind here, and at its Execute by PostgreSQL; and PostgreSQL 15
            # crashes at the Execute of an unnamed portal that has failed.
            return bind(portal, name) * (self.sql_by_query or portal == "") + execute(portal, dice.choice([0, 0, 2]))
        if kind == "C":
            return close("S", name) if dice.random() < 0.8 else close("P", portal)
        if kind == "H":
            return FLUSH
        if kind == "Q":
            return query(self.string(dice))
        # What a driver says.
        name, text = self.parsed(dice)
        return parse(name, text) + describe("S", name) + bind("", name, ["4"] * ("$1" in text)) + describe() + execute()

    def batch(self, dice):
        """Bytes, and how many ReadyForQuery they are owed."""
        said, owed = [], 0
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            for _ in range(dice.randint(1, 6)):
                one = self.message(dice)
                # A Query after an error in the same batch is skipped: only what follows a Sync is certain.
                if one[:1] == b"Q":
                    said.append(SYNC)
                    owed += 2
                said.append(one)
            said.append(SYNC)
            owed += 1
        return b"".join(said), owed

    def program(self, seed):
        dice = random.Random(seed)
        self.sql_by_query = dice.random() < 0.6
        self.sql_by_message = self.sql_by_query and dice.random() < 0.6
        return [(dice.randrange(CLIENTS), *self.batch(dice)) for _ in range(dice.randint(2, 8))]


class Ear:
    """Reads whole answers of a connection, fast."""

    def __init__(self, conn):
        self.sock, self.rest, self.status = conn.sock, conn.buffer, b"I"

    def ask(self, said, owed):
        """The messages up to the `owed`th ReadyForQuery."""
        self.sock.sendall(said)
        data, at = self.rest, 0
        self.heard = b""
        while True:
            while len(data) - at >= 5:
                end = at + 1 + int.from_bytes(data[at + 1:at + 5], "big")
                if end > len(data):
                    break
                if data[at] == 90:
                    owed -= 1
                    self.status = data[end - 1:end]
                at = end
                if owed == 0:
                    self.rest = data[at:]
                    return data[:at]
            try:
                more = self.sock.recv(1 << 18)
            except ConnectionError:
                more = b""
            if not more:
                self.heard = data[:at]
                raise EOFError("the connection was closed")
            data += more


def messages(data):
    found, at = [], 0
    while at < len(data):
        end = at + 1 + int.from_bytes(data[at + 1:at + 5], "big")
        found.append((chr(data[at]), data[at + 5:end]))
        at = end
    return found


TABLE = "drop table if exists t_oracle; create table t_oracle(a int); alter table t_oracle owner to bouncer"
FORGET = query("rollback") + query("deallocate all")
# "cached plan must not change result type" is where a pooler can do better than PostgreSQL, or, when the statement was on
# another server, need not know: such a program is given up.
PLAN_ERROR = b"RRevalidateCachedQuery"


def essence(data, status):
    """What has to be equal. A ParameterStatus may come at any time; and in a failed transaction, where nothing works, a
    statement that its server lacks fails at the Parse of ours and not at the client's message: an error all the same."""
    found = []
    for tag, body in messages(data):
        if tag == "Z":
            status = body
        if tag != "S":
            found.append((tag, b"" if tag == "E" and status == b"E" else body))
    return found


def was_refused(got, expected, status):
    """Whether they part where an error in a failed transaction stands for a reply: a server that lacks a statement cannot
    be given it there, though PostgreSQL would describe one without rows (a known difference, proxy/policy/prepared/README.md)."""
    parting = next((a for a, b in zip(essence(got, status), essence(expected, status)) if a != b), None)
    return parting == ("E", b"")


class Killer:
    """Ends backends of one database while a program runs."""

    def __init__(self, cluster, database):
        self.conn, self.database, self.killed, self.noticed, self.unnoticed = cluster.connect(), database, 0, 0, 0

    def kill(self, dice):
        """Those that nobody holds, or any; waits until they are gone."""
        idle = "and state = 'idle'" if dice.random() < 0.7 else ""
        found = self.conn.execute(f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{self.database}' "
                                  f"and usename = 'bouncer' {idle} limit {dice.choice([1, 2])}").fetchall()
        self.killed += len(found)
        return bool(found)


def is_beginning(got, expected, status):
    """Whether `got` is what the other began with, but for a FATAL at its end."""
    last = messages(got)[-1:]
    if last and last[0][0] == "E" and b"SFATAL" in last[0][1]:
        got = got[:-5 - len(last[0][1])]
    got, expected = essence(got, status), essence(expected, status)
    return got == expected[:len(got)]


class Died(Exception):
    """A client lost its server, as it had to."""


def run_program(pooled, direct, program, killer=None, dice=None):
    """What went wrong; empty: nothing did. None: it was given up."""
    busy, killed = set(), False
    for turn, (who, said, owed) in enumerate(program):
        # While clients hold transactions the others share what is left; no more than two do so.
        if who not in busy and len(busy) == 2:
            who = min(busy)
        if killer and turn > 0 and dice.random() < 0.4:
            killed |= killer.kill(dice)
        before = direct[who].status
        expected = direct[who].ask(said, owed)
        try:
            got = pooled[who].ask(said, owed)
        except EOFError:
            heard = pooled[who].heard
            if killed and (is_beginning(heard, expected, before) or PLAN_ERROR in expected):
                raise Died from None
            return f"turn {turn}, client {who}: said {messages(said)}\n\n expected {messages(expected)}\n\n was closed after {messages(heard)}"
        if got != expected and essence(got, before) != essence(expected, before):
            if PLAN_ERROR in expected or PLAN_ERROR in got or was_refused(got, expected, before):
                return None
            return f"turn {turn}, client {who}: said {messages(said)}\n\n expected {messages(expected)}\n\n got {messages(got)}"
        (busy.discard if pooled[who].status == b"I" else busy.add)(who)
    if killed:
        killer.unnoticed += 1
    return ""


def run_seeds(number, pooler, cluster, seeds, killing, answers):
    """In a process of its own, on databases of its own."""
    programs, given_up, wrong, seed = Programs(), 0, "", None
    killer = Killer(cluster, f"oracle_{number}") if killing else None

    def connected():
        return [Ear(pooler.wire(f"oracle_{number}", timeout=20)) for _ in range(CLIENTS)]

    try:
        pooled = connected()
        direct = [Ear(cluster.wire(f"oracle_own_{number}")) for _ in range(CLIENTS)]
        for seed in seeds:
            before = killer.killed if killer else 0
            try:
                found = run_program(pooled, direct, programs.program(seed), killer, random.Random(-seed))
                given_up += found is None
                if found:
                    wrong = f"seed {seed}, {found}"
                    break
                # Who holds a server first: the others may have to wait for it.
                for ear in sorted(pooled, key=lambda one: one.status == b"I"):
                    ear.ask(FORGET, 2)
            except (Died, EOFError) as gone:
                if not killer or killer.killed == before:
                    raise gone
                killer.noticed += 1
                for ear in pooled:
                    ear.sock.close()
                for ear in direct:
                    ear.ask(FORGET, 2)
                # One of the two may have changed the table's type where the other did not come to it.
                for database in (f"oracle_{number}", f"oracle_own_{number}"):
                    with cluster.connect(database) as conn:
                        conn.execute("set lock_timeout = 0; alter table t_oracle alter a type int using null")
                pooled = connected()
            for ear in direct:
                ear.ask(FORGET, 2)
            for ear in (pooled[0], direct[0]):
                ear.ask(query("truncate t_oracle"), 1)
    except Exception as error:      # the parent tells what happened, with the seed
        wrong = f"seed {seed}: {error!r}"
    answers.put((wrong, given_up, (killer.killed, killer.noticed, killer.unnoticed) if killer else (0, 0, 0)))


def run_all(cluster, binary, programs, killing=False, **settings):
    """How many were given up, and of the killing: backends, programs that noticed, programs that did not."""
    databases = [f"oracle_{number}" for number in range(WORKERS)]
    with cluster.connect() as conn:
        for name in databases:
            twin = name.replace("oracle_", "oracle_own_")
            for database in (name, twin):
                conn.execute(f"drop database if exists {database} with (force)")
            conn.execute(f"create database {twin}")
            with cluster.connect(twin) as one:
                one.execute(TABLE)
            # The table's oid is part of the answers.
            conn.execute(f"create database {name} template {twin}")
            for database in (name, twin):
                # A program that waits for a lock of another client's must not wait for ever.
                conn.execute(f"alter database {database} set lock_timeout = '2ms'")
    pooler = servers.Pooler(cluster, binary, databases={name: "" for name in databases}, pool_mode="transaction", default_pool_size=2,
                            **{"max_prepared_statements": 4, **settings})
    print(f"seeds {FIRST_SEED} to {FIRST_SEED + programs - 1}")
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    seeds = range(FIRST_SEED, FIRST_SEED + programs)
    workers = [context.Process(target=run_seeds, args=(number, pooler, cluster, seeds[number::WORKERS], killing, answers))
               for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    found = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    log = pooler.log_path.read_text()
    complaint = pooler.finish()
    wrong = [text for text, _, _ in found if text]
    if wrong:
        print("LOG", log[-1500:], cluster.log()[-6000:])
    assert not wrong, "\n\n".join(wrong)
    assert not complaint, complaint
    given_up = sum(count for _, count, _ in found)
    return given_up, *(sum(counts[i] for _, _, counts in found) for i in range(3))


@pytest.mark.timeout(900)
def test_random_programs_are_answered_as_postgres_answers_them(cluster, binary):
    given_up, *_ = run_all(cluster, binary, PROGRAMS)
    print(f"{PROGRAMS} programs, {given_up} of them given up at a changed result type")
    assert given_up < PROGRAMS / 10


@pytest.mark.timeout(900)
def test_random_programs_are_answered_the_same_where_unnamed_statements_are_shared(cluster, binary):
    programs = max(PROGRAMS // 4, 20)
    given_up, *_ = run_all(cluster, binary, programs, share_unnamed_statements=1, max_prepared_statements=2, workers=2)
    print(f"{programs} programs, {given_up} of them given up")
    assert given_up < programs / 10


@pytest.mark.timeout(900)
def test_random_programs_are_answered_though_servers_are_killed(cluster, binary):
    programs = max(PROGRAMS // 10, 20)
    given_up, killed, noticed, unnoticed = run_all(cluster, binary, programs, killing=True)
    print(f"{programs} programs, {given_up} of them given up at a changed result type; {killed} backends killed, which {noticed} programs "
          f"noticed and {unnoticed} did not")
    assert killed > programs / 4 and unnoticed > noticed / 4
