"""What the Python programs share: one thread per connection, each with a state of its own, and a client that has none.

Arguments: host port user database connections turns. Client `i` is the tenant `ti`; the tables are in ../test_isolation_clients.py.
"""
import sys
import threading
import time

HOST, PORT, USER, DATABASE = sys.argv[1:5]
CONNECTIONS, TURNS = int(sys.argv[5]), int(sys.argv[6])
DEFAULT_PATH = '"$user", public'
_checked, _lock = 0, threading.Lock()


def check(got, expected, what):
    """Counts what is right, raises what is not."""
    global _checked
    if got != expected:
        raise AssertionError(f"{what}: {got!r} and not {expected!r}")
    with _lock:
        _checked += 1


def lost(error):
    """Whether that is how a killed server looks from the client."""
    told = f"{type(error).__name__} {error}".lower()
    return any(word in told for word in ("connection", "another operation", "terminat", "crash", "closed", "reset by peer"))


def again(number, turns, attempt, forget):
    """Runs attempt(number, turn); what a killed server interrupted is done again by a client that starts anew."""
    for turn in range(turns):
        for left in range(40, -1, -1):
            try:
                attempt(number, turn)
                break
            except AssertionError:
                raise
            except Exception as error:
                if not left or not lost(error):
                    raise
                forget(number)
                time.sleep(0.05)


def run(attempt, forget, clients=CONNECTIONS):
    """attempt(number, turn) in a thread per client; prints `ok N`."""
    wrong = []

    def work(number):
        try:
            again(number, TURNS, attempt, forget)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    done()


def done():
    print(f"ok {_checked}")
