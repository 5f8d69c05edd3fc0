"""psycopg 3 that prepares everything at once: arguments host port user database connections turns."""
import sys
import threading
import time

import psycopg

host, port, user, database, connections, turns = sys.argv[1:]
connections, turns = int(connections), int(turns)
checked, wrong = [0] * connections, []


def open_one():
    conn = psycopg.connect(host=host, port=port, user=user, dbname=database, password="zzzz", autocommit=True, prepare_threshold=0)
    conn.prepared_max = 5
    return conn


def once(conn, number, id):
    def check(right, what):
        if not right:
            raise AssertionError(what)
        checked[number] += 1

    check(conn.execute("select name from client_items where id = %s", (id,)).fetchone() == (f"item {id}",), "by id")
    with conn.transaction():
        check(conn.execute("select id from client_items where name = %s", (f"item {id}",)).fetchone() == (id,), "by name")
        check(conn.execute("select count(*) from client_items where id <= %s", (id,)).fetchone() == (id,), "count")
    # More texts than it keeps: it deallocates the oldest.
    for extra in range(3):
        check(conn.execute(f"select {extra} + %s::int", (id,)).fetchone() == (extra + id,), "evicted")
    with conn.pipeline():
        both = [conn.execute("select %s::int * 2", (id,)), conn.execute("select id from client_items where id = %s", (id,))]
    check([cursor.fetchone()[0] for cursor in both] == [id * 2, id], "pipeline")


def work(number):
    conn = None
    for turn in range(turns):
        for attempt in range(21):
            try:
                conn = conn or open_one()
                once(conn, number, (turn + number) % 20 + 1)
                break
            except psycopg.OperationalError:
                if attempt == 20:
                    raise
                if conn:
                    conn.close()
                conn = None
                time.sleep(0.05)
    conn.close()


def guarded(number):
    try:
        work(number)
    except BaseException as error:
        wrong.append(f"{type(error).__name__}: {error}")


threads = [threading.Thread(target=guarded, args=(number,)) for number in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if wrong:
    sys.exit("\n".join(wrong))
print(f"ok {sum(checked)}")
