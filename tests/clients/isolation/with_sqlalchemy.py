"""SQLAlchemy, the seventh argument is the driver: each engine sets its tenant, schema and zone once per connection, as
SQLAlchemy's documentation of connect events shows; the last client sets nothing."""
import asyncio
import sys

import sqlalchemy
from common import CONNECTIONS, DATABASE, DEFAULT_PATH, HOST, PORT, USER, TURNS, again, check, done, run
from sqlalchemy import event, text

DRIVER = sys.argv[7]
URL = f"postgresql+{DRIVER}://{USER}:zzzz@{HOST}:{PORT}/{DATABASE}"
ZONES = ["Asia/Tokyo", "America/New_York", "Europe/Rome"]
ASKS = text("select current_setting('app.tenant', true), current_setting('search_path'), current_setting('transaction_isolation'), count(*), min(tenant), max(tenant)"
            " from client_rows")
NOBODY = CONNECTIONS - 1


def set_up(engine, number):
    @event.listens_for(engine, "connect")
    def mine(connection, _):
        cursor = connection.cursor()
        cursor.execute(f"set app.tenant = 't{number}'")
        cursor.execute(f"set search_path to tenant_{number}, public")
        cursor.execute(f"set time zone '{ZONES[number % 3]}'")
        connection.commit()  # a SET that is rolled back is undone
        cursor.close()


def see(number, row):
    tenant, path, isolation, rows, low, high = row
    if number == NOBODY:
        check((tenant or None, path, isolation, rows), (None, DEFAULT_PATH, "read committed", 0), "the client that set nothing")
    else:
        check((tenant, path, rows, low, high), (f"t{number}", f"tenant_{number}, public", 5, f"t{number}", f"t{number}"), f"client {number}")
        check(isolation, "serializable" if number % 2 else "read committed", f"client {number}")


def options(number):
    return {"isolation_level": "SERIALIZABLE"} if number % 2 and number != NOBODY else {}


def with_threads():
    engines = []
    for number in range(CONNECTIONS):
        engines.append(sqlalchemy.create_engine(URL, pool_size=1, max_overflow=0, **options(number)))
        if number != NOBODY:
            set_up(engines[number], number)

    def one(number, turn):
        with engines[number].begin() as connection:
            see(number, connection.execute(ASKS).fetchone())
        with engines[number].connect() as connection:
            if number != NOBODY:
                check(connection.execute(text("select name, current_setting('timezone') from home")).fetchone(),
                      (f"tenant_{number}", ZONES[number % 3]), f"client {number} at home")
            see(number, connection.execute(ASKS).fetchone())

    run(one, lambda number: engines[number].dispose())


def with_asyncio():
    from sqlalchemy.ext.asyncio import create_async_engine

    async def client(number):
        engine = create_async_engine(URL, pool_size=1, max_overflow=0, **options(number))
        if number != NOBODY:
            set_up(engine.sync_engine, number)

        async def one(turn):
            async with engine.begin() as connection:
                see(number, (await connection.execute(ASKS)).fetchone())
            async with engine.connect() as connection:
                if number != NOBODY:
                    row = (await connection.execute(text("select name, current_setting('timezone') from home"))).fetchone()
                    check(tuple(row), (f"tenant_{number}", ZONES[number % 3]), f"client {number} at home")
                see(number, (await connection.execute(ASKS)).fetchone())

        loop = asyncio.get_running_loop()
        run_in_loop = lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()
        await asyncio.to_thread(again, number, TURNS, lambda _, turn: run_in_loop(one(turn)), lambda _: run_in_loop(engine.dispose()))
        await engine.dispose()

    async def everybody():
        await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))

    asyncio.run(everybody())
    done()


with_asyncio() if DRIVER == "asyncpg" else with_threads()
