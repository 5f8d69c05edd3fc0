"""Drivers of other languages at their login: what they tell of a wrong password (T73), what `options` come to."""
import subprocess

import pytest
from servers import ROLES
from test_clients import HERE, JDBC, NODE, PGX, go_has, have, node_has

pytestmark = [pytest.mark.ours, pytest.mark.timeout(120)]
TEXTS = {"plain": "password authentication failed", "md5": "password authentication failed", "scram-sha-256": "SASL authentication failed"}
STACKS = {
    "pgx": ([*PGX, "refused"], lambda: go_has("github.com/jackc/pgx/v4", *PGX), "golang-go and golang-github-jackc-pgx-v4-dev"),
    "jdbc": (["java", "-cp", JDBC, HERE / "Refused.java"], lambda: have("javac") and JDBC.exists(), "libpostgresql-jdbc-java and a JDK"),
    "node-pg": (["node", NODE / "refused.js"], lambda: node_has("pg"), "node-pg, or pg (npm install in tests/clients/node)"),
}


def lines(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("stack", STACKS)
def test_T73_a_driver_is_told_28P01_with_pgbouncers_text(pooler, stack):
    command, installed, packages = STACKS[stack]
    if not installed():
        pytest.skip(f"not installed: {packages} (scripts/install-clients)")
    ports = [pooler(auth_type=method, ignore_startup_parameters="extra_float_digits").port for method in TEXTS]
    right = ROLES["bouncer"][0]
    found = lines(*command, "127.0.0.1", "bouncer", "p0", *[word for port in ports for word in ("wrong", port, right, port)])
    refused, let_in = found[::2], found[1::2]
    assert [line.split(" ", 1)[0] for line in refused] == ["28P01"] * 3, found
    assert all(text in line for text, line in zip(TEXTS.values(), refused)), found
    assert let_in == ["00000 in"] * 3


@pytest.mark.parametrize("options", ["-c search_path=pg_catalog,\\ public --work-mem=7MB -cstatement_timeout=9000",
                                     "-c TimeZone=Asia/Tokyo -c client_encoding=latin1", "-c nosuchthing=1", "-c work_mem=much"])
def test_options_of_jdbc_come_to_what_they_come_to_without_a_pooler(pooler, cluster, options):
    if not (have("javac") and JDBC.exists()):
        pytest.skip("not installed: libpostgresql-jdbc-java and a JDK (scripts/install-clients)")
    p = pooler(pool_mode="transaction", default_pool_size=1)
    shown = ["search_path", "work_mem", "statement_timeout", "timezone", "client_encoding", "application_name", "extra_float_digits"]
    command = ["java", "-cp", JDBC, HERE / "Options.java", "127.0.0.1"]
    through, direct = (lines(*command, port, "bouncer", ROLES["bouncer"][0], "p0", options, *shown) for port in (p.port, cluster.port))
    if len(direct) == len(shown):
        assert through == direct
    else:
        what = options.split()[1].split("=")[0]
        assert len(through) == 1 and what in through[0] and what in direct[0], (through, direct)
