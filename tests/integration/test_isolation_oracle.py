"""A differential oracle: random session programs (settings, transactions, savepoints, errors, temporary tables, cursors,
advisory locks, prepared statements, clients that vanish) of three clients who share servers in transaction mode are
answered as each client's own PostgreSQL connection answers them.

PGWEIR_ORACLE_PROGRAMS says how many (default 10000), PGWEIR_ORACLE_SEED where they begin, PGWEIR_ORACLE_WORKERS how many
processes run them; a failure prints its seed and the shortest program that still fails; PGWEIR_ORACLE_FAILURES is how many
each process looks for. One known difference is not looked at: a
custom setting that was reset reads '' where a fresh session reads NULL.
"""
import multiprocessing
import os
import random
import time
from typing import NamedTuple

import pytest
import servers
from test_prepared_oracle import PLAN_ERROR, Ear, messages
from wire import FLUSH, SYNC, TERMINATE, Message, bind, close, describe, execute, parse, query

pytestmark = pytest.mark.ours

PROGRAMS = int(os.environ.get("PGWEIR_ORACLE_PROGRAMS", "10000"))
FIRST_SEED = int(os.environ.get("PGWEIR_ORACLE_SEED", "1"))
WORKERS = int(os.environ.get("PGWEIR_ORACLE_WORKERS", "6"))
CLIENTS = 3
PATIENCE = 5        # seconds for an answer

VALUES = {"search_path": ["pg_catalog", "s1", "public", "s1, public", "'s1, odd'", "'Ü\"'"], "work_mem": ["'3MB'", "7168", "'many'"],
          "statement_timeout": ["'55min'", "0", "'1h'", "-7"], "app.x": ["'one'", "'it''s'", "2", "''"], "app.y": ["'why'", "on"],
          "role": ["alice", "bob", "none", "nobody_here"], "timezone": ["'Asia/Tokyo'", "'UTC'", "'Nowhere/At_All'", "-7"],
          "datestyle": ["'SQL, DMY'", "'ISO'", "'German'", "'odd'"]}
LITERALS = {name: [value if value[0] == "'" else f"'{value}'" for value in values] for name, values in VALUES.items()}
PROBE = ("select " + ", ".join(f"coalesce(current_setting('{name}', true), '')" for name in [*VALUES, "default_transaction_read_only"]) +
         ", current_user, session_user, (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), "
         "(select string_agg(name, ',' order by name) from pg_cursors where is_holdable), "
         "(select string_agg(relname, ',' order by relname) from pg_class where relnamespace = pg_my_temp_schema() and relkind <> 'i')")
CONTROL = ["begin", "begin", "begin", "commit", "commit", "rollback", "savepoint s", "savepoint u", "rollback to s", "rollback to u", "release s",
           "commit and chain", "rollback and chain", "begin read only", "start transaction isolation level serializable"]
ERRORS = ["select 1/0", "selec", "select nope", "set no_such_setting = 1", "select * from nowhere"]
SEEN = ["select v from thing", "select v from thing", "show search_path", "show work_mem", "show role", "show timezone", "show datestyle",
        "select date '2020-02-03'", "select current_user", "select timestamptz '2020-02-03 00:00+00'", "select coalesce(current_setting('app.x', true), '')"]
PREPARED = ["prepare pa as select v from thing", "prepare pb(int) as select $1 + 1", "prepare pa as select date '2020-02-03'", "execute pa", "execute pa",
            "execute pb(2)", "deallocate pa", "deallocate pb", "deallocate all"]
RARE = ["reset all", "discard all", "discard plans", "discard sequences", "set session authorization default", "set session authorization bouncer",
        "reset session authorization", "set session characteristics as transaction read only", "set session characteristics as transaction read write",
        "set time zone local", "do $$begin perform set_config('app.x', 'done', false); end$$", "set transaction read only"]
PINNING = ["create temp table tt (v text)", "create temp table tt as select v from thing", "insert into tt values ('row')", "select v from tt", "drop table tt",
           "create temp table uu (v text) on commit drop", "insert into uu values ('u')", "select v from uu", "select v into temp vv from thing", "drop table vv",
           "create table pg_temp.ww ()", "drop table if exists ww", "create temp view tw as select 1 as one", "select one from tw", "drop view tw", "discard temp",
           "declare h cursor with hold for select generate_series(1, 4)", "declare g no scroll cursor with hold for select v from thing", "fetch 2 from h", "fetch g",
           "close h", "close g", "close all", "declare i cursor for select 1", "fetch i", "close i",
           "select pg_advisory_lock({k})", "select pg_advisory_lock({k})", "select pg_try_advisory_lock({k}, 1)", "select pg_advisory_lock_shared({k})",
           "select pg_advisory_unlock({k})", "select pg_advisory_unlock({k})", "select pg_advisory_unlock({k}, 1)", "select pg_advisory_unlock_shared({k})",
           "select pg_advisory_unlock_all()", "select pg_advisory_xact_lock({k})",
           "prepare pc as select set_config('app.x', 'executed', false)", "execute pc", "deallocate pc",
           "select set_config('app.' || 'x', 'computed', false)"]
# The same effects, said as few say them.
SPELLINGS = ['set "app"."x" = \'quoted\'', "/* so */ set /* it */ app . x -- is\n to 'commented'", "SET SESSION APP.X TO 'loud'",
             "select SET_CONFIG('APP.X', 'loud', false)", "select set_config(E'app.x', 'escaped', false)", "select set_config(U&'app.x', 'unicode', false)",
             "select set_config($$app.x$$, 'dollars', false)", "select set_config(setting_name => 'app.x', new_value => 'named', is_local => false)",
             "select set_config('app.x'::text, 'cast', false::bool)", "select set_config(('app.x'), ('bracketed'), (false))",
             "select pg_catalog . \"set_config\" ('app.x', 'apart', false)", "select set_config /* ( */ ('app.x', 'comment', false)",
             "select U&\"set\\005fconfig\"('app.x', 'hidden', false)",
             "select set_config('app.x', set_config('app.y', 'inner', false) || '!', false)", "select set_config(cast('app.x' as text), 'cast', false)",
             "select set_config(n, 'of a row', false) from (values ('app.x'), ('app.y')) t(n)",
             "explain (analyze, costs off, timing off, summary off) select set_config('app.x', 'explained', false)",
             "values (set_config('app.x', 'values', false))", "copy (select set_config('app.x', 'copied', false)) to stdout",
             "select set_config('app.x', v, false) from thing", "select '(' || set_config('app.x', 'long', false) || '" + "x" * 20000 + "'",
             "do language plpgsql 'begin set app.y = ''done''; end'", "do $$begin execute 'set work_mem to ' || '''5MB'''; end$$",
             "do $$begin perform set_config('app.x', 'done', false); raise division_by_zero; end$$",
             "do $$begin begin set app.x = 'undone'; raise division_by_zero; exception when others then null; end; end$$",
             "set xml option document", "set search_path from current", "set schema 's1'", "set local schema 's1'",
             "set local role alice", "set local session authorization bouncer", "set session role bob", "set app.x = 'a', 'b'",
             "declare j cursor for select set_config('app.x', 'fetched', false)", "fetch j", "select * from set_config('app.x', 'from', false)"]
SPELLED_PINS = ["create local temporary table tt (v text)", "create /* not */ temp table tt ()", "create temporary sequence ts", "select nextval('ts')",
                "drop sequence ts", "select * from pg_advisory_lock({k})", "do $$begin perform pg_advisory_lock({k}); end$$",
                "do $$begin create temp table tt (v text); end$$", "prepare pd as select pg_advisory_lock({k})", "execute pd", "deallocate pd",
                
                "create temp table tt (v text) on commit delete rows", "create temp table tt (v text) on commit preserve rows"]
# What is hard to see in a text, or not in it at all.
HARD_TO_SEE = ["select set_by_function()", "select set_config\t('app.x', 'tab', false)", "select set_config -- (\n ('app.x', 'comment', false)",
          "select pg_advisory_lock\r\n({k})", "select 1 as a into table pg_temp.tt", 'create table "pg_temp".tt (v text)',
          "set local search_path to pg_temp; create table public_or_not (v text)", "select query_to_xml('select set_config(''app.x'', ''xml'', false)', true, true, '')",
          "update pg_settings set setting = '4321' where name = 'work_mem'", "select lock_by_function({k})"]
# What a client says as it connects.
STARTUPS = [{"options": "-c search_path=s1 -c app.x=start"}, {"work_mem": "3MB", "statement_timeout": "1000000"}, {"TimeZone": "Asia/Tokyo", "DateStyle": "SQL, DMY"},
            {"options": "-c role=alice"}, {"app.y": "start"}]
# By message. Their effects come at their Execute.
NAMED = {"na": ("select set_config('app.x', $1, false)", ["named"]), "nb": ("select v from thing", []), "nc": ("set app.y = 'by name'", []),
         "nd": ("select set_config($1, $2, $3)", ["work_mem", "5MB", "f"]), "ne": ("reset search_path", []), "nt": ("begin", []),
         "nu": ("commit", []), "nv": ("rollback", []), "nw": ("set search_path to s1", []), "nx": ("set local app.x = 'local'", [])}


class Turn(NamedTuple):
    """What a client says at once: pieces that each make sense alone, or, before it vanishes, bytes that need not."""
    who: int
    kind: str           # simple, batch, vanish
    pieces: list        # (label, bytes)
    cut: float = 0.5    # where in the bytes the pooled client pauses or ends
    how: str = ""       # how it vanishes

    def said(self):
        """Bytes, and how many ReadyForQuery they are owed."""
        said = b"".join(piece for _, piece in self.pieces)
        return (said, len(self.pieces)) if self.kind == "simple" else (said + SYNC, 1)

    def __str__(self):
        return f"client {self.who} {self.kind} {self.how}{[label.replace(PROBE, 'PROBE').replace('x' * 20000, '<20000 x>') for label, _ in self.pieces]}"


class Generator:
    """The programs of one seed after the other."""

    def setting(self):
        """A statement about a setting, and its values where they are bound."""
        dice = self.dice
        name = dice.choice([*VALUES, "app.x", "app.x", "search_path"])
        value, literal = dice.choice(VALUES[name]), dice.choice(LITERALS[name])
        if name == "search_path" and value[0] == "'":
            value = literal
        kind = dice.choices(("set", "reset", "config", "bound", "partly"), (8, 3, 4, 3, 2))[0]
        if kind == "set":
            if name in ("role", "search_path", "work_mem") and dice.random() < 0.1:
                return f"set {name} to default", []
            return f"set {dice.choice(['', '', 'session ', 'local ', 'local '])}{name} {dice.choice(['to', '='])} {value}", []
        if kind == "reset":
            return f"reset {name}", []
        local = dice.choice(["false", "false", "true", "'t'", "1 = 2"])
        if kind == "config":
            return dice.choice([f"select set_config('{name}', {literal}, {local})", f"select pg_catalog.set_config('{name}', {literal}, {local}), 'more'",
                                f"with a as (select set_config('{name}', {literal}, {local}) as c) select c from a",
                                f"select set_config('app.y', 'first', false), set_config('{name}', {literal}, {local})",
                                f"select case when 1 = 1 then set_config('{name}', null, {local}) end"]), []
        plain = literal[1:-1].replace("''", "'")
        if kind == "bound":
            return "select set_config($1, $2, $3)", [name, plain, dice.choice("ft")]
        return f"select set_config('{name}', $1, {local})", [plain]

    def statement(self, bound):
        """(text, values); values only where they can be bound."""
        dice = self.dice
        kind = dice.choices(("setting", "control", "error", "seen", "probe", "rare", "prepared", "pinning", "spelling", "spelled", "unseen"),
                            (10, 8, 1.5, 4, 3, 1.5, 2 * (not bound), 8 * self.pins, 2.5 * self.pins, 2 * self.pins, self.pins))[0]
        if kind == "setting":
            while True:
                text, values = self.setting()
                if bound or not values:
                    return text, values
        texts = {"control": CONTROL, "error": ERRORS, "seen": SEEN, "probe": [PROBE], "rare": RARE, "prepared": PREPARED, "pinning": PINNING,
                 "spelling": SPELLINGS, "spelled": SPELLED_PINS, "unseen": HARD_TO_SEE}[kind]
        return dice.choice(texts).replace("{k}", str(self.keys[self.who])), []

    def by_message(self):
        """One statement in the extended protocol: (label, bytes)."""
        dice = self.dice
        if dice.random() < 0.3:
            name = dice.choice([*NAMED])
            text, values = NAMED[name]
            said = {"parse": parse(name, text), "run": bind("", name, values) + execute(), "all": parse(name, text) + bind("", name, values) + execute(),
                    "close": close("S", name)}
            kind = dice.choices(list(said), (3, 8, 4, 1))[0]
            return f"{kind} {name}: {text}", said[kind]
        text, values = self.statement(True)
        return f"{text} {values or ''}", parse("", text) + bind("", "", values) + describe() * (dice.random() < 0.7) + execute() + FLUSH * (dice.random() < 0.2)

    def turn(self):
        dice = self.dice
        self.who = dice.randrange(CLIENTS)
        kind = dice.choices(("simple", "batch", "vanish"), (6, 4, 0.6))[0]
        how = dice.choice(["close", "reset", "terminate"]) if kind == "vanish" else ""
        if kind == "simple" or dice.random() < 0.5 and kind == "vanish":
            texts = ["; ".join(self.statement(False)[0] for _ in range(dice.choice([1, 1, 1, 1, 2, 3]))) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
            pieces = [(text, query(text)) for text in texts]
        else:
            pieces = [self.by_message() for _ in range(dice.choice([1, 1, 2, 3, 4]))]
        turn = Turn(self.who, kind, pieces, dice.choice([0, 1, dice.random()]), how)
        if how:
            # The lock of who has gone may be there for a moment.
            self.keys[self.who] += CLIENTS
        return turn

    def program(self, seed):
        """(whether it may pin, how each client connects, turns)"""
        self.dice = random.Random(seed)
        self.pins = self.dice.random() < 0.6
        starts = self.dice.random() < 0.25
        startups = [self.dice.choice(STARTUPS) if starts and self.dice.random() < 0.6 else {} for _ in range(CLIENTS)]
        self.keys = [seed * 100 + who for who in range(CLIENTS)]
        turns = [self.turn() for _ in range(self.dice.randint(3, 14))]
        return self.pins, startups, turns + [Turn(who, "simple", [(PROBE, query(PROBE))]) for who in range(CLIENTS)]


def essence(data, status):
    """What has to be equal. Of errors and notices: code and message, and in a failed transaction, where nothing works, not even
    these. A Parse that is answered because the server has the statement already fails at its Bind instead."""
    found, since_ready = [], []
    for tag, body in messages(data):
        if tag in "EN":
            fields = Message(tag, body).fields()
            if "pg_temp" in fields["M"]:
                fields["C"] = fields["M"] = "no such thing in pg_temp"      # the empty schema outlives DISCARD ALL
            body = (fields["C"], fields["M"]) if tag == "N" or status != b"E" else ()
        if tag == "S":
            continue
        if tag == "T":
            body = sum(oid for _, oid in Message(tag, body).columns())     # tables of a session's own have oids of their own
        since_ready.append((tag, body))
        if tag == "Z":
            status = body
            failed = any(one == "E" for one, _ in since_ready)
            found += [one for one in since_ready if not (failed and one[0] in "12nTt")]
            since_ready = []
    return found


def vanish(ear, turn):
    """The client says a part of it and is gone."""
    said, _ = turn.said()
    try:
        ear.sock.sendall(said[:int(len(said) * turn.cut)] + TERMINATE * (turn.how == "terminate"))
    except OSError:
        pass
    (ear.conn.reset if turn.how == "reset" else ear.conn.close)()


class Arena:
    """The connections that the programs of one process run on."""

    def __init__(self, number, pooler, cluster):
        self.number, self.pooler, self.cluster, self.dice = number, pooler, cluster, random.Random(number)
        self.direct, self.startups = [self.own() for _ in range(CLIENTS)], [{}] * CLIENTS

    def own(self, **startup):
        return Ear(self.cluster.wire(f"alone_{self.number}", **startup))

    def shared(self, pins, startup):
        conn = self.pooler.wire(f"{'pins' if pins else 'few'}_{self.number}", timeout=PATIENCE, **startup)
        ear = Ear(conn)
        ear.conn = conn
        return ear

    def forget(self, who, startup):
        """A fresh connection of one's own, or, quicker, one that has forgotten everything."""
        if startup or self.startups[who] or self.dice.random() < 0.05:
            self.direct[who].sock.close()
            self.direct[who], self.startups[who] = self.own(**startup), startup
        else:
            self.direct[who].ask(query("rollback") + query("discard all"), 2)

    def run(self, pins, startups, turns):
        """What went wrong; empty: nothing did. None: it was given up at a plan whose result type has changed."""
        for who in range(CLIENTS):
            self.forget(who, startups[who])
        pooled = [self.shared(pins, startup) for startup in startups]
        try:
            return self.play(pooled, pins, startups, turns)
        finally:
            for ear in pooled:
                # What is left is the next program's to stumble over.
                if self.dice.random() < 0.5 and ear.status != b"I":
                    try:
                        ear.ask(query("rollback"), 1)
                    except OSError:
                        pass
                ear.conn.close()

    def play(self, pooled, pins, startups, turns):
        busy = set()
        for number, turn in enumerate(turns):
            who = turn.who
            if not pins and who not in busy and len(busy) == 2:
                # Two servers: both are held.
                for other in sorted(busy):
                    pooled[other].ask(query("rollback"), 1)
                    self.direct[other].ask(query("rollback"), 1)
                busy.clear()
            if turn.how:
                vanish(pooled[who], turn)
                pooled[who] = self.shared(pins, startups[who])
                self.forget(who, startups[who])
                busy.discard(who)
                continue
            said, owed = turn.said()
            before = self.direct[who].status
            expected = self.direct[who].ask(said, owed)
            cut = int(len(said) * turn.cut)
            pooled[who].sock.sendall(said[:cut])
            try:
                got = pooled[who].ask(said[cut:], owed)
            except OSError as error:
                return f"turn {number}, {turn}: {error!r}\n expected {essence(expected, before)}"
            if got != expected and essence(got, before) != essence(expected, before):
                if PLAN_ERROR in expected or PLAN_ERROR in got:
                    return None
                return f"turn {number}, {turn}:\n expected {essence(expected, before)}\n got      {essence(got, before)}"
            (busy.discard if pooled[who].status == b"I" else busy.add)(who)
        return ""


def shorter(turns):
    """The programs that lack a turn, or a piece of one."""
    for at, turn in enumerate(turns):
        yield turns[:at] + turns[at + 1:]
        for piece in range(len(turn.pieces) * (len(turn.pieces) > 1)):
            yield [*turns[:at], turn._replace(pieces=turn.pieces[:piece] + turn.pieces[piece + 1:]), *turns[at + 1:]]


def shortest(arena, pins, startups, turns, found):
    """The program with everything taken away that it can fail without."""
    smaller, deadline = True, time.monotonic() + 3 * PATIENCE
    while smaller:
        smaller = False
        for candidate in shorter(turns):
            if time.monotonic() > deadline:
                smaller = False
                break
            time.sleep(0.02)    # its locks are the same: those of the run before have to be gone
            again = arena.run(pins, startups, candidate)
            if again:
                turns, found, smaller = candidate, again, True
                break
    return "\n".join(map(str, turns)) + "\n" + found


def run_seeds(number, pooler, cluster, seeds, answers):
    """In a process of its own, on a database of its own."""
    generator, given_up, wrong, seed = Generator(), 0, [], None
    try:
        arena = Arena(number, pooler, cluster)
        for seed in seeds:
            pins, startups, turns = generator.program(seed)
            found = arena.run(pins, startups, turns)
            given_up += found is None
            if found:
                wrong.append(f"seed {seed}, {'4' if pins else '2'} servers, startup {startups}\n{shortest(arena, pins, startups, turns, found)}")
                if len(wrong) == int(os.environ.get("PGWEIR_ORACLE_FAILURES", "1")):
                    break
    except Exception as error:      # the parent tells what happened, with the seed
        wrong.append(f"seed {seed}: {error!r}")
    answers.put((wrong, given_up))


@pytest.mark.timeout(60 + PROGRAMS // 4)
def test_random_sessions_are_answered_as_a_session_of_ones_own(cluster, binary):
    with cluster.connect() as conn:
        conn.execute("grant alice, bob to bouncer")
        for number in range(WORKERS):
            conn.execute(f"create database alone_{number}")
            with cluster.connect(f"alone_{number}") as one:
                one.execute("create schema s1; grant usage on schema s1 to public")
                for schema in ("public", "s1"):
                    one.execute(f"create table {schema}.thing as select '{schema}'::text as v; grant select on {schema}.thing to bouncer, alice")
                one.execute("create function set_by_function() returns text language sql as $$select set_config('app.x', 'by function', false)$$;"
                            "create function lock_by_function(k int) returns void language sql as $$select pg_advisory_lock(k)$$")
            conn.execute(f"create database isolation_{number} template alone_{number}")
            for database in (f"alone_{number}", f"isolation_{number}"):
                conn.execute(f"alter database {database} set app.y = 'of the database'")
    databases = {f"{name}_{number}": f"dbname=isolation_{number} pool_size={size}" for number in range(WORKERS) for name, size in (("pins", 4), ("few", 2))}
    pooler = servers.Pooler(cluster, binary, databases=databases, pool_mode="transaction", max_prepared_statements=6)
    print(f"seeds {FIRST_SEED} to {FIRST_SEED + PROGRAMS - 1}")
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    seeds = range(FIRST_SEED, FIRST_SEED + PROGRAMS)
    workers = [context.Process(target=run_seeds, args=(number, pooler, cluster, seeds[number::WORKERS], answers)) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    found = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    counts = pooler.command("show isolation")
    complaint = pooler.finish()
    wrong = [text for texts, _ in found for text in texts]
    assert not wrong, "\n\n".join(wrong)
    assert not complaint, complaint
    given_up = sum(count for _, count in found)
    print(f"{PROGRAMS} programs, {given_up} of them given up at a changed result type")
    assert given_up < PROGRAMS / 10
    # The programs did what they are there for.
    for kind in ("replays", "looks", "full_looks", "cleaned", "advisory_lock", "held_cursor", "temporary"):
        assert sum(int(row[kind]) for row in counts) > PROGRAMS / 100, (kind, counts)
