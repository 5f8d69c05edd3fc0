"""The grammar of `options`: what PostgreSQL understands of `-c name=value` and `--name=value` means the same through the pool."""
import os
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from servers import ROLES
from wire import PgError

pytestmark = pytest.mark.ours
ASKED = ["search_path", "work_mem", "timezone", "datestyle", "statement_timeout", "application_name", "default_transaction_isolation", "geqo"]
OPTIONS = {
    "-c": "-c work_mem=7MB",
    "-c without a blank": "-cwork_mem=7MB",
    "--": "--work_mem=7MB",
    "all three, many blanks": "  -c  work_mem=7MB   --timezone=Asia/Tokyo\t-cgeqo=off ",
    "a dash for an underscore": "--work-mem=7MB -c statement-timeout=9000",
    "a blank in a value": r"-c search_path=pg_catalog,\ public",
    "a name in quotes": r'-c search_path="a\ b",public',
    "an equals sign in a value": "-c application_name=a=b",
    "a quote and a backslash in a value": r"-c application_name=it's\\here",
    "a blank before a dash": r"-c application_name=a\ -c\ b",
    "a backslash at the end": "-c application_name=end\\",
    "an empty value": "-c application_name=",
    "letters of any case": "-c TimeZone=asia/tokyo -c SEARCH_PATH=pg_catalog",
    "the last of two": "-c work_mem=7MB -c work_mem=8MB",
    "two isolation levels": r"-c default_transaction_isolation=repeatable\ read",
    "a list of styles": r"-c datestyle=SQL,\ DMY",
    "nothing": "   ",
}


def settings(conn):
    return {name: conn.value(f"show {name}") for name in ASKED}


@pytest.fixture(scope="module")
def direct(cluster):
    """What PostgreSQL itself makes of startup parameters."""
    from wire import Conn

    def ask(**parameters):
        with Conn(("127.0.0.1", cluster.port)).login("bouncer", "p0", ROLES["bouncer"][0], **parameters) as conn:
            return settings(conn)
    return ask


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_what_postgresql_understands_means_the_same_through_the_pool(pooler, direct, options):
    """h13."""
    wanted = direct(options=options)
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire(options=options) as one, p.wire() as two:
        for _ in range(2):
            assert settings(one) == wanted
            assert settings(two) == direct()


@pytest.mark.parametrize("parameters", [
    {"options": "-c TimeZone=Asia/Tokyo -c work_mem=7MB", "TimeZone": "UTC", "work_mem": "8MB"},
    {"TimeZone": "UTC", "work_mem": "8MB", "options": "-c TimeZone=Asia/Tokyo -c work_mem=7MB"}], ids=["before", "behind"])
def test_a_parameter_beside_the_options_has_the_last_word(pooler, direct, parameters):
    """JDBC sends TimeZone and client_encoding of its own, and `options` behind them."""
    p = pooler(pool_mode="transaction")
    with p.wire(**parameters) as conn:
        assert settings(conn) == direct(**parameters)


@pytest.mark.parametrize("options", ["-c", "-c work_mem", "--work_mem", "work_mem=7MB", "-f s", "-c work_mem=7MB junk", "-c =1", "-e",
                                     "-S 1000", r"\-c work_mem=7MB"])
def test_what_pgbouncer_does_not_take_has_its_error(pooler, options):
    p = pooler(pool_mode="transaction")
    with pytest.raises(PgError) as refused:
        p.wire(options=options)
    assert (refused.value.fields["S"], refused.value.fields["C"], refused.value.fields["M"]) == (
        "FATAL", "08P01", "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed")


def test_one_that_is_not_tracked_is_refused_where_sessions_are_not_kept(pooler):
    for how in ({"pool_mode": "transaction", "session_state": "off"}, {"pool_mode": "session"}):
        p = pooler(**how)
        with pytest.raises(PgError) as refused:
            p.wire(options="-c timezone=UTC --work-mem=7MB")
        assert refused.value.fields["M"] == "unsupported startup parameter in options: work_mem"
        p.stop()


def test_names_of_ignore_startup_parameters_are_ignored_inside_options_too(pooler):
    p = pooler(ignore_startup_parameters="work_mem")
    with p.wire(options="-c work_mem=7MB -c timezone=Asia/Tokyo") as conn:
        assert conn.value("show timezone") == "Asia/Tokyo" and conn.value("show work_mem") == "4MB"
    p = pooler(ignore_startup_parameters="options")
    with p.wire(options="-c work_mem=7MB -c timezone=Asia/Tokyo") as conn:
        assert conn.value("show timezone") == "Asia/Tokyo" and conn.value("show work_mem") == "4MB"
    p.wire(options="-e nonsense").close()


def test_ignored_options_lose_what_is_not_understood_and_nothing_beside_it(pooler):
    """PgBouncer keeps what stands before it; what stands behind counts here too."""
    p = pooler(pool_mode="transaction", ignore_startup_parameters="options")
    with p.wire(options="-c timezone=Asia/Tokyo -e nonsense --datestyle=SQL") as conn:
        assert (conn.value("show timezone"), conn.value("show datestyle")) == ("Asia/Tokyo", "SQL, MDY")


def test_libpq_sends_them_from_pgoptions_and_from_its_connection_string(pooler, monkeypatch):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    monkeypatch.setenv("PGOPTIONS", r"-c search_path=pg_catalog,\ public --work-mem=7MB")
    assert p.psql("-c", "show search_path", "-c", "show work_mem").stdout.split("\n")[:2] == ["pg_catalog, public", "7MB"]
    with p.connect(options="-c statement_timeout=9s -c timezone=Asia/Tokyo") as conn:
        assert conn.execute("show statement_timeout").fetchone() == ("9s",)
        assert conn.execute("show timezone").fetchone() == ("Asia/Tokyo",)
    monkeypatch.setenv("PGOPTIONS", "-c nosuchthing=1")
    with pytest.raises(psycopg.Error, match="nosuchthing"):
        with p.connect() as conn:
            conn.execute("select 1")
