"""Logging in: every method on both sides, and what a client that may not log in is told."""
import re
import struct
import time

import pytest
from wire import (CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST, Closed, Conn, PgError, errors, eventually, msg, query,
                  rows, scram_secret, startup_packet, tags, z)



def refusal(pooler, *arguments, **options):
    with pytest.raises(PgError) as caught:
        pooler.wire(*arguments, **options)
    return caught.value.fields


@pytest.mark.parametrize("auth_type", ["trust", "plain", "md5", "scram-sha-256"])
def test_each_method_lets_the_right_password_in(pooler, auth_type):
    p = pooler(auth_type=auth_type)
    with p.wire("p0", "bouncer", "zzzz") as conn:
        assert conn.value("select current_user") == "bouncer"
    with p.connect() as conn:
        assert conn.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("auth_type", ["plain", "md5", "scram-sha-256"])
def test_each_method_keeps_the_wrong_password_out(pooler, auth_type):
    p = pooler(auth_type=auth_type)
    assert refusal(p, "p0", "bouncer", "wrong")["S"] == "FATAL"
    p.wire("p0", "bouncer", "zzzz").close()


@pytest.mark.parametrize("auth_type", ["plain", "md5", "scram-sha-256"])
def test_a_wrong_password_and_an_unknown_user_look_alike(pooler, auth_type):
    """h6."""
    p = pooler(auth_type=auth_type)
    answers = []
    for user in ("bouncer", "nosuchuser"):
        with Conn(p.address) as conn:
            conn.send(startup_packet(user, "p0"))
            request = conn.read()
            if request.tag == "R" and struct.unpack_from("!I", request.body)[0] == 5:
                request = request._replace(body=request.body[:4])
            conn.answer(request.body if len(request.body) > 4 else request.body + b"salt", user, "wrong")
            seen = [request]
            message = conn.read()
            if message.tag == "R":
                conn.answer(message.body, user, "wrong")
                seen.append(message._replace(body=re.sub(rb"r=[^,]*,s=[^,]*", b"", message.body)))
                message = conn.read()
            answers.append((seen, message))
    assert answers[0] == answers[1] and answers[0][1].tag == "E"


def test_auth_type_any_needs_a_forced_user_only(pooler):
    p = pooler(auth_type="any", databases={"p0": "user=bouncer"})
    with p.wire("p0", "whoever", "") as conn:
        assert conn.value("select current_user") == "bouncer"


def test_trust_refuses_a_user_it_does_not_know(pooler):
    assert refusal(pooler(), "p0", "nosuchuser")["M"] == '"trust" authentication failed'


def test_a_scram_secret_makes_md5_ask_for_scram(pooler):
    p = pooler(auth_type="md5", auth={"bouncer": scram_secret("zzzz"), "admin": "adminpass"},
               databases={"p0": "user=bouncer password=zzzz"})
    with Conn(p.address) as conn:
        conn.send(startup_packet("bouncer", "p0"))
        first = conn.read()
        assert struct.unpack_from("!I", first.body)[0] == 10 and first.body[4:] == b"SCRAM-SHA-256\0\0"
    with p.wire("p0", "bouncer", "zzzz") as conn:
        assert conn.value("select 1") == "1"


def test_an_md5_secret_lets_its_password_in(pooler):
    import hashlib
    secret = "md5" + hashlib.md5(b"foomuser1").hexdigest()
    p = pooler(auth_type="md5", auth={"muser1": secret})
    with p.wire("p0", "muser1", "foo") as conn:
        assert conn.value("select current_user") == "muser1"


def test_an_md5_secret_cannot_answer_scram(pooler):
    p = pooler(auth_type="scram-sha-256", auth={"muser1": "md5" + "0" * 32})
    assert refusal(p, "p0", "muser1", "foo")["M"] == "SASL authentication failed"


@pytest.mark.parametrize("auth_type", ["plain", "md5"])
def test_an_empty_password_is_refused(pooler, auth_type):
    """h6."""
    p = pooler(auth_type="plain", auth={"bouncer": "", "alice": "apass"})
    assert refusal(p, "p0", "alice", "")["M"] in ("empty password returned by client", "password authentication failed")
    assert refusal(p, "p0", "bouncer", "")["S"] == "FATAL"


@pytest.mark.parametrize("user", ["puser1", "muser1", "scramuser1"])
def test_the_pooler_answers_each_method_of_the_server(pooler, user):
    with pooler(auth_type="plain").wire("p0", user, "foo") as conn:
        assert conn.value("select current_user") == user


def test_a_forced_user_logs_in_with_the_password_of_its_database(pooler):
    p = pooler(databases={"p0": "user=scramuser1 password=foo"}, auth={"anybody": "x", "admin": "adminpass"})
    with p.wire("p0", "anybody") as conn:
        assert conn.value("select current_user") == "scramuser1"


def test_a_scram_secret_is_passed_through_to_the_server(pooler, cluster):
    """h7."""
    secret = cluster.value("select rolpassword from pg_authid where rolname = 'scramuser1'")
    p = pooler(auth_type="scram-sha-256", auth={"scramuser1": secret, "admin": "adminpass"})
    with p.wire("p0", "scramuser1", "foo") as conn:
        assert conn.value("select current_user") == "scramuser1"
        p.command("reconnect")
        assert conn.value("select 1") == "1", "the keys survive a reconnect (T64)"


def test_a_wrong_password_for_the_server_is_told_in_the_servers_words(pooler):
    p = pooler(databases={"p0": "user=scramuser1 password=wrong"}, auth={"bouncer": "zzzz"})
    fields = refusal(p, "p0", "bouncer")
    assert "password authentication failed for user" in fields["M"]


@pytest.mark.ours
def test_a_wrong_password_for_the_server_bears_the_servers_sqlstate(pooler):
    p = pooler(databases={"p0": "user=scramuser1 password=wrong"}, auth={"bouncer": "zzzz"})
    assert refusal(p, "p0", "bouncer")["C"] == "28P01"


@pytest.mark.ours
def test_a_cold_pool_passes_on_the_servers_own_refusal(pooler):
    """h4."""
    p = pooler(databases={"wrong": "dbname=doesnotexist"})
    fields = refusal(p, "wrong")
    assert (fields["S"], fields["C"], fields["M"]) == ("FATAL", "3D000", 'database "doesnotexist" does not exist')


def test_an_unknown_database_is_told(pooler):
    p = pooler(databases={"p0": ""})
    assert "no such database: elsewhere" in refusal(p, "elsewhere")["M"]


@pytest.mark.ours
def test_an_unknown_database_is_told_only_after_authentication(pooler):
    """h6."""
    p = pooler(databases={"p0": ""}, auth_type="scram-sha-256")
    assert refusal(p, "elsewhere", "bouncer", "wrong")["M"] == "SASL authentication failed"
    assert refusal(p, "elsewhere", "bouncer", "zzzz")["M"] == "no such database: elsewhere"


def test_a_warm_pool_logs_clients_in_without_a_server(pooler, cluster):
    """h4."""
    p = pooler(pool_mode="transaction", default_pool_size=1)
    with p.wire() as busy:
        busy.ask("begin")
        begun = time.monotonic()
        with p.wire() as conn:
            assert time.monotonic() - begun < 5
            assert conn.parameters["server_version"].startswith("15.") and len(conn.key) == 8
            assert conn.parameters["integer_datetimes"] == "on"
        eventually(lambda: cluster.backends("p0") == 1)    # those of earlier tests are gone


def test_what_the_server_reports_is_what_the_client_is_told(pooler, cluster):
    with pooler().wire() as pooled, cluster.wire() as direct:
        assert {name: value for name, value in pooled.parameters.items() if not name.startswith("pgweir.")} == direct.parameters


@pytest.mark.ours
def test_T61_a_startup_packet_in_one_byte_segments_is_understood(pooler):
    with Conn(pooler().address) as conn:
        for byte in startup_packet("bouncer", "p0", application_name="slow"):
            conn.send(bytes([byte]))
            time.sleep(0.001)
        conn.authenticate("bouncer", "zzzz")
        assert conn.value("show application_name") == "slow"


@pytest.mark.parametrize("length", [0, 4, 7, 11 << 20, 0x7FFFFFFF, 0xFFFFFFFF])
def test_T61_a_startup_packet_of_impossible_length_is_refused(pooler, length):
    p = pooler()
    with Conn(p.address, timeout=3) as conn:
        conn.send(struct.pack("!II", length, 196608) + b"x" * 64)
        assert all(message.tag == "E" for message in conn.closed())
    assert p.wire().value("select 1") == "1"


@pytest.mark.ours
def test_T61_a_startup_packet_larger_than_the_buffer_is_understood(pooler):
    """h13."""
    p = pooler(ignore_startup_parameters="long")
    with p.wire(long="x" * 9000) as conn:
        assert conn.value("select 1") == "1"


@pytest.mark.ours
def test_cve_2012_4575_a_database_name_of_ten_kilobytes_is_an_error_and_nothing_else(pooler):
    p = pooler(databases={"*": ""})
    for length in (64, 10240):
        assert refusal(p, "d" * length, "bouncer", "zzzz")["M"].startswith("no such database: ddd")
    assert p.wire().value("select 1") == "1"


@pytest.mark.ours
@pytest.mark.parametrize("length", [1500, 60000])
def test_T62_long_passwords_work(pooler, length):
    password = "p" * length
    p = pooler(auth_type="plain", auth={"bouncer": password})
    with p.wire("p0", "bouncer", password) as conn:
        assert conn.value("select 1") == "1"
    assert refusal(p, "p0", "bouncer", password[:-1])["M"] == "password authentication failed"


def test_T63_a_client_that_only_connects_is_not_worth_a_line(pooler):
    p = pooler()
    p.wire().close()
    p.log_has("client close request|client unexpected eof")
    before = p.log()
    for _ in range(20):
        Conn(p.address).close()
    time.sleep(0.4)
    assert p.log()[len(before):] == ""


@pytest.mark.ours
def test_T65_a_newer_protocol_is_negotiated_exactly_once(pooler):
    """h13."""
    with Conn(pooler().address) as conn:
        conn.send(startup_packet("bouncer", "p0", version=196610, **{"_pq_.foo": "1", "_pq_.bar": "2"}))
        conn_messages = conn.until()
    negotiations = [message.body for message in conn_messages if message.tag == "v"]
    assert negotiations == [struct.pack("!II", 196610, 2) + z("_pq_.foo") + z("_pq_.bar")]
    assert conn_messages[0].tag == "v"


@pytest.mark.ours
def test_a_protocol_option_alone_is_negotiated_too(pooler):
    with Conn(pooler().address) as conn:
        conn.send(startup_packet("bouncer", "p0", **{"_pq_.foo": "1"}))
        assert tags(conn.until()).startswith("vR")


def test_protocol_two_and_four_are_refused(pooler):
    p = pooler()
    for version, text in ((131072, "old V2 protocol not supported"), (262144, "bad packet header")):
        with Conn(p.address) as conn:
            conn.send(startup_packet("bouncer", "p0", version=version))
            said = errors(conn.closed())
            assert len(said) == 1 and text in said[0]["M"], said


@pytest.mark.parametrize("request_codes", [[SSL_REQUEST], [GSSENC_REQUEST], [SSL_REQUEST, GSSENC_REQUEST],
                                           [GSSENC_REQUEST, SSL_REQUEST]])
def test_encryption_requests_are_answered_no_and_login_goes_on(pooler, request_codes):
    """h13."""
    with Conn(pooler(client_tls_sslmode="disable").address) as conn:
        for code in request_codes:
            assert conn.send(struct.pack("!II", 8, code)).take(1) == b"N"
        assert conn.login("bouncer", "p0").value("select 1") == "1"


@pytest.mark.ours
@pytest.mark.parametrize("code", [SSL_REQUEST, GSSENC_REQUEST])
def test_cve_2021_3935_nothing_may_follow_an_encryption_request_unasked(pooler, code):
    with Conn(pooler().address) as conn:
        conn.send(struct.pack("!II", 8, code) + startup_packet("bouncer", "p0"))
        try:
            rest = conn.take(1) + conn.buffer
            conn.closed()
            assert b"Z\0\0\0\x05I" not in rest + conn.buffer
        except Closed:
            pass


def test_an_unknown_startup_parameter_is_refused(pooler):
    assert refusal(pooler(), "p0", extra_float_digits="2")["M"] == "unsupported startup parameter: extra_float_digits"


def test_an_ignored_startup_parameter_is_accepted(pooler):
    p = pooler(ignore_startup_parameters="extra_float_digits, other")
    p.wire(extra_float_digits="2", other="x").close()


@pytest.mark.ours
def test_options_take_tracked_parameters_in_three_spellings(pooler):
    p = pooler(pool_mode="transaction")
    for options in ("-c timezone=Asia/Tokyo", "-ctimezone=Asia/Tokyo", "--timezone=Asia/Tokyo"):
        with p.wire(options=options) as conn:
            assert conn.value("show timezone") == "Asia/Tokyo"


@pytest.mark.ours
def test_options_refuse_what_they_do_not_understand(pooler):
    p = pooler()
    assert refusal(p, "p0", options="-c enable_seqscan=off")["M"] == \
        "unsupported startup parameter in options: enable_seqscan"
    assert refusal(p, "p0", options="-f nonsense")["M"] == \
        "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed"


def test_a_user_is_required(pooler):
    with Conn(pooler().address) as conn:
        conn.send(startup_packet(None, "p0"))
        assert "no username supplied" in errors(conn.closed())[0]["M"]


def test_the_database_defaults_to_the_users_name(pooler):
    p = pooler(databases={"bouncer": "dbname=p3"})
    with Conn(p.address) as conn:
        conn.send(startup_packet("bouncer")).authenticate("bouncer", "zzzz")
        assert conn.value("select current_database()") == "p3"


@pytest.mark.parametrize("first", [query("select 1"), msg("p", z("secret")), msg("X"), b"GET / HTTP/1.1\r\n\r\n",
                                   struct.pack("!II", 16, CANCEL_REQUEST) + b"12345678"])
def test_anything_but_a_startup_packet_first_is_turned_away(pooler, first):
    """PgBouncer 1.5.5: a password before the StartupMessage met no user and crashed it."""
    p = pooler()
    with Conn(p.address, timeout=3) as conn:
        conn.send(first)
        conn.sock.shutdown(1)
        assert "Z" not in tags(conn.closed())
    assert p.wire().value("select 1") == "1"


@pytest.mark.ours
@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFE, 5000])
def test_cve_2026_6664_a_lying_length_inside_sasl_is_refused(pooler, length):
    p = pooler(auth_type="scram-sha-256")
    with Conn(p.address) as conn:
        conn.send(startup_packet("bouncer", "p0"))
        assert conn.read().tag == "R"
        conn.send(msg("p", z("SCRAM-SHA-256") + struct.pack("!I", length) + b"n,,n=,r=abcdefgh"))
        assert tags(conn.closed()) == "E"
    p.wire("p0", "bouncer", "zzzz").close()


def test_many_logins_at_once_all_succeed(pooler):
    p = pooler(auth_type="scram-sha-256", pool_mode="transaction", default_pool_size=4)
    conns = [Conn(p.address) for _ in range(60)]
    for conn in conns:
        conn.send(startup_packet("bouncer", "p0"))
    for number, conn in enumerate(conns):
        assert conn.authenticate("bouncer", "zzzz").value(f"select {number}") == str(number)
    eventually(lambda: p.pool()["sv_active"] == 0)
    assert rows(conns[0].ask("select 1")) == [["1"]]
