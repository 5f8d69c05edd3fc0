"""Settings that follow a client from server to server, and those that must not reach another client."""
import re

import pytest
from wire import PgError, errors, msg, query

TRACKED = {"application_name": "my program", "TimeZone": "Asia/Tokyo", "DateStyle": "German", "client_encoding": "LATIN1",
           "standard_conforming_strings": "off"}
# PgBouncer 1.18 takes an empty application_name for none and leaves the other client's.
NAMES = [pytest.param(name, marks=[pytest.mark.ours] if name == "application_name" else []) for name in TRACKED]


def statements(cluster, mark, pattern):
    return re.findall(rf"statement: .*{pattern}.*", cluster.log()[mark:])


@pytest.mark.parametrize("name", NAMES)
def test_a_tracked_parameter_of_the_startup_packet_follows_its_client(pooler, name):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire(**{name: TRACKED[name]}) as one, p.wire() as two:
        default = two.value(f"show {name}")
        for _ in range(2):
            assert one.value(f"show {name}").startswith(TRACKED[name])
            assert two.value(f"show {name}") == default


@pytest.mark.parametrize("name", NAMES)
def test_a_tracked_parameter_that_is_set_follows_its_client(pooler, name):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as one, p.wire() as two:
        default = two.value(f"show {name}")
        reply = one.ask(f"set {name} = '{TRACKED[name]}'")
        assert any(message.tag == "S" for message in reply), "the server reports it, the client hears of it"
        for _ in range(2):
            assert two.value(f"show {name}") == default
            assert one.value(f"show {name}").startswith(TRACKED[name])


@pytest.mark.ours
def test_track_extra_parameters_adds_to_the_list(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, track_extra_parameters="IntervalStyle")
    with p.wire() as one, p.wire() as two:
        one.ask("set intervalstyle = 'iso_8601'")
        assert two.value("show intervalstyle") == "postgres"
        assert one.value("show intervalstyle") == "iso_8601"


def test_values_with_quotes_and_backslashes_are_restored_unharmed(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    for name in ("it's", 'dou"ble', "back\\slash", "semi; select 1", "'; drop table x; --", "100%s"):
        with p.wire(application_name=name) as one, p.wire() as two:
            two.ask("select 1")
            assert one.value("show application_name") == name


@pytest.mark.ours
def test_long_values_are_restored_too(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, track_extra_parameters="search_path")
    zone = "<+0530>-05:30"
    with p.wire(TimeZone=zone) as one, p.wire() as two:
        two.ask("select 1")
        assert one.value("show timezone") == zone


@pytest.mark.ours
@pytest.mark.parametrize("name", ["", "plain"])
def test_T66_the_same_client_causes_no_set_per_transaction(pooler, cluster, name):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire(application_name=name, DateStyle="ISO") as one:
        one.ask("select 1")
        mark = len(cluster.log())
        for _ in range(5):
            one.ask("select 1")
        assert statements(cluster, mark, "SET ") == []


@pytest.mark.ours
def test_T66_two_clients_with_one_datestyle_spelt_twice_cause_no_endless_sets(pooler, cluster):
    """h5."""
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire(DateStyle="ISO") as one, p.wire(DateStyle="iso") as two:
        for _ in range(2):
            one.ask("select 1")
            two.ask("select 1")
        mark = len(cluster.log())
        for _ in range(4):
            one.ask("select 1")
            two.ask("select 1")
        assert statements(cluster, mark, "SET ") == []


@pytest.mark.ours
def test_T67_a_startup_option_never_reaches_another_client(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1, ignore_startup_parameters="enable_seqscan,options")
    with p.wire(options="-c enable_seqscan=off") as one, p.wire() as two:
        one.ask("select 1")
        assert two.value("show enable_seqscan") == "on"


@pytest.mark.parametrize("value", ["No/Such", "a'b"])
def test_a_value_that_the_server_refuses_harms_nobody_else(pooler, value):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as good:
        good.ask("select 1")
        try:
            with p.wire(TimeZone=value) as bad:
                bad.send(query("show timezone"))
                bad.sock.settimeout(3)
                assert errors(bad.closed())
        except PgError:
            pass
        assert good.value("select 1") == "1"
        assert good.value("show timezone") != value


@pytest.mark.ours
def test_a_value_that_the_server_refuses_is_told(pooler):
    p = pooler(pool_mode="transaction")
    p.wire().ask("select 1")
    with p.wire(TimeZone="No/Such") as bad:
        bad.send(query("select 1"))
        assert errors(bad.closed())[-1]["M"] == "invalid server parameter"


def test_the_clients_queries_never_see_replies_to_the_poolers_set(pooler):
    p = pooler(pool_mode="transaction", default_pool_size=1)
    clients = [p.wire(application_name=f"app{i}", TimeZone=zone) for i, zone in enumerate(
        ("UTC", "Asia/Tokyo", "Europe/Paris", "America/New_York"))]
    for _ in range(10):
        for number, client in enumerate(clients):
            client.send(query("show application_name"))
        for number, client in enumerate(clients):
            reply = client.until()
            assert [message.tag for message in reply if message.tag != "S"] == ["T", "D", "C", "Z"]
            assert reply[-3].values() == [f"app{number}"]


def test_settings_of_the_database_entry_reach_the_server(pooler):
    p = pooler(databases={"p0": "timezone=Asia/Tokyo datestyle=German client_encoding=LATIN1"}, pool_mode="transaction")
    with p.wire() as conn:
        assert conn.value("show timezone") == "Asia/Tokyo"


def test_connect_query_runs_once_per_server(pooler, cluster):
    p = pooler(databases={"p0": "connect_query='select 1 as connect_query_ran'"}, pool_mode="transaction", default_pool_size=1)
    mark = len(cluster.log())
    with p.wire() as conn:
        for _ in range(3):
            assert conn.value("select 5") == "5"
    assert len(statements(cluster, mark, "connect_query_ran")) == 1


@pytest.mark.ours
def test_application_name_add_host_tells_where_a_client_comes_from(pooler):
    p = pooler(application_name_add_host=1)
    with p.wire(application_name="tool") as named, p.wire() as unnamed:
        port = named.sock.getsockname()[1]
        assert named.value("show application_name") == f"tool - 127.0.0.1:{port}"
        assert unnamed.value("show application_name").startswith("app - 127.0.0.1:")


def test_T14_parameter_statuses_in_the_middle_of_a_pipeline_pass(pooler):
    """Two of them in one segment, too."""
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as conn:
        conn.send(query("set timezone = 'Asia/Tokyo'; set datestyle = 'German'; select 1"))
        assert [message.tag for message in conn.until()].count("S") == 2
        conn.send(msg("X"))


@pytest.mark.ours
def test_a_driver_can_tell_the_pooler_and_its_mode(pooler):
    modes = {"p0": "", "p1": "pool_mode=session", "p2": "session_state=pin"}
    p = pooler(pool_mode="transaction", databases=modes)
    for database, told in {"p0": ("transaction", "isolate"), "p1": ("session", "session"), "p2": ("transaction", "pin")}.items():
        for _ in range(2):      # with the server's own login, and with what is remembered of it
            with p.connect(database) as conn:
                assert (conn.info.parameter_status("pgweir.pool_mode"), conn.info.parameter_status("pgweir.session_state")) == told
                assert conn.info.parameter_status("pgweir.version")
