"""psycopg2's set_session: with autocommit it is SET default_transaction_..., without it goes with every BEGIN."""
import psycopg2
from common import CONNECTIONS, DATABASE, HOST, PORT, USER, check, run

connections = {}


def connection(number):
    if number not in connections:
        conn = psycopg2.connect(host=HOST, port=PORT, user=USER, dbname=DATABASE, password="zzzz")
        if number % 3 == 0:
            conn.set_session(readonly=True, isolation_level="SERIALIZABLE", autocommit=True)
        elif number % 3 == 1:
            conn.set_session(readonly=True, isolation_level="REPEATABLE READ", deferrable=True)
        else:
            conn.autocommit = number % 2 == 0  # the one that has said nothing
        connections[number] = conn
    return connections[number]


def forget(number):
    if conn := connections.pop(number, None):
        conn.close()


def one(number, turn):
    conn = connection(number)
    with conn.cursor() as cursor:
        cursor.execute("select current_setting('transaction_read_only'), current_setting('transaction_isolation')")
        check(cursor.fetchone(), [("on", "serializable"), ("on", "repeatable read"), ("off", "read committed")][number % 3], f"client {number}")
        try:
            cursor.execute("insert into client_writes values (%s, %s)", (number, turn))
            wrote = True
        except psycopg2.errors.ReadOnlySqlTransaction:
            wrote = False
    if not conn.autocommit:
        conn.commit() if wrote else conn.rollback()
    check(wrote, number % 3 == 2, f"client {number} writes")


assert CONNECTIONS >= 3
run(one, forget)
