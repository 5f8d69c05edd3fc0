"""The variables of the images edoburu/pgbouncer and bitnami/pgbouncer, read by the binary itself; and packaging's container."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import psycopg.sql
import pytest
from servers import ROOT, free_port, identity, new_folder, own
from wire import Conn, eventually

pytestmark = pytest.mark.ours
ODD = "p'a\"s;s %w#o\\r,d:/@?=\n$x"            # what shells, sed and URLs stumble over


class Container:
    """The binary as the image starts it: by its variables alone."""

    def __init__(self, binary, folder, variables, arguments=("--environment",)):
        self.port = int(variables.get("LISTEN_PORT") or variables["PGBOUNCER_PORT"])
        self.log = folder / "stderr"
        self.process = self.start(binary, arguments, variables, folder)
        eventually(self.listens, 10)

    def start(self, binary, arguments, variables, folder):
        return subprocess.Popen([binary, *arguments], env={"PATH": os.environ["PATH"], **variables}, cwd=folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=open(self.log, "w"), **identity())

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            Conn(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def connect(self, dbname, user, password):
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=dbname, user=user, password=password,
                               autocommit=True, prepare_threshold=None)


@pytest.fixture
def folder():
    made = new_folder("pgenv")
    os.chmod(made, 0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def container(binary, folder):
    started = []

    def make(arguments=("--environment",), **variables):
        started.append(Container(binary, folder, {name: str(value) for name, value in variables.items()}, arguments))
        return started[-1]

    yield make
    for one in started:
        one.process.terminate()
        one.process.kill()
        one.process.wait()


@pytest.fixture
def role(cluster):
    """A user with a password that nobody would put into a shell, who has to prove it to PostgreSQL as well."""
    with cluster.connect() as conn:
        conn.execute("drop role if exists odd")
        conn.execute("set password_encryption = 'scram-sha-256'")
        conn.execute(psycopg.sql.SQL("create role odd login password {}").format(psycopg.sql.Literal(ODD)))
    hba = cluster.data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("host all odd 127.0.0.1/32 scram-sha-256\n" + before)
    with cluster.connect() as conn:
        conn.execute("select pg_reload_conf()")
    yield "odd"
    hba.write_text(before)
    with cluster.connect() as conn:
        conn.execute("select pg_reload_conf()")


def test_edoburus_variables_with_any_password(container, cluster, role):
    c = container(DB_HOST="127.0.0.1", DB_PORT=cluster.port, DB_USER=role, DB_PASSWORD=ODD, LISTEN_ADDR="127.0.0.1",
                  LISTEN_PORT=free_port(), POOL_MODE="transaction", ADMIN_USERS=role, SERVER_TLS_SSLMODE="disable")
    with c.connect("p0", role, ODD) as conn:
        assert conn.execute("select current_user::text, current_database()").fetchone() == (role, "p0")
    with c.connect("pgbouncer", role, ODD) as console:
        assert ("pool_mode", "transaction") in [row[:2] for row in console.execute("show config").fetchall()]
    with pytest.raises(psycopg.OperationalError):
        c.connect("p0", role, ODD + "x")


def test_edoburus_database_url_takes_the_password_as_it_is(container, cluster, role):
    c = container(DATABASE_URL=f"postgres://{role}:{ODD}@127.0.0.1:{cluster.port}/p1", LISTEN_ADDR="127.0.0.1",
                  LISTEN_PORT=free_port(), SERVER_TLS_SSLMODE="disable")
    with c.connect("p1", role, ODD) as conn:
        assert conn.execute("select current_database()").fetchone() == ("p1",)


def test_bitnamis_variables_with_any_password_and_a_secret_in_a_file(container, cluster, role, folder):
    (folder / "password").write_text(ODD + "\n")
    os.chmod(own(folder / "password"), 0o644)
    c = container(POSTGRESQL_HOST="127.0.0.1", POSTGRESQL_PORT=cluster.port, POSTGRESQL_USERNAME=role,
                  POSTGRESQL_PASSWORD_FILE=folder / "password", PGBOUNCER_DATABASE="p0", PGBOUNCER_PORT=free_port(),
                  PGBOUNCER_LISTEN_ADDRESS="127.0.0.1", PGBOUNCER_SET_DATABASE_USER="yes", PGBOUNCER_SOCKET_DIR=folder,
                  PGBOUNCER_SET_DATABASE_PASSWORD="yes", PGBOUNCER_CONNECT_QUERY="set work_mem = '4321kB'",
                  PGBOUNCER_DSN_0=f"other=host=127.0.0.1 port={cluster.port} dbname=p1")
    with c.connect("p0", role, ODD) as conn:
        assert conn.execute("select current_user::text, current_setting('work_mem')").fetchone() == (role, "4321kB")
    with c.connect("other", role, ODD) as conn:
        assert conn.execute("select current_database()").fetchone() == ("p1",)


def test_an_auth_query_with_casts_comes_through_whole(container, cluster):
    with cluster.connect() as conn:
        conn.execute("drop role if exists cast_user")
        conn.execute("set password_encryption = 'scram-sha-256'")
        conn.execute("create role cast_user login password 'cast;pass'")
    c = container(POSTGRESQL_HOST="127.0.0.1", POSTGRESQL_PORT=cluster.port, POSTGRESQL_USERNAME="postgres",
                  POSTGRESQL_PASSWORD="x", PGBOUNCER_DATABASE="*", PGBOUNCER_PORT=free_port(), PGBOUNCER_SOCKET_DIR="",
                  PGBOUNCER_LISTEN_ADDRESS="::1,127.0.0.1", PGBOUNCER_AUTH_USER="postgres",
                  PGBOUNCER_AUTH_QUERY="SELECT rolname::text, rolpassword::text FROM pg_authid WHERE rolname = $1::name")
    with c.connect("p0", "cast_user", "cast;pass") as conn:
        assert conn.execute("select 1").fetchone() == (1,)


def test_sighup_reads_the_secret_files_again(container, cluster, folder):
    secret = folder / "password"
    secret.write_text("first")
    os.chmod(own(secret), 0o644)
    c = container(POSTGRESQL_HOST="127.0.0.1", POSTGRESQL_PORT=cluster.port, POSTGRESQL_USERNAME="bouncer",
                  POSTGRESQL_PASSWORD_FILE=secret, PGBOUNCER_DATABASE="p0", PGBOUNCER_PORT=free_port(),
                  PGBOUNCER_LISTEN_ADDRESS="127.0.0.1", PGBOUNCER_SOCKET_DIR=folder)
    c.connect("p0", "bouncer", "first").close()
    secret.write_text("second")
    c.process.send_signal(1)

    def logs_in():
        try:
            c.connect("p0", "bouncer", "second").close()
            return True
        except psycopg.OperationalError:
            return False

    eventually(logs_in, 10)


def test_a_mounted_ini_counts_instead_of_the_variables(container, cluster, folder):
    port, ini = free_port(), folder / "pgbouncer.ini"
    ini.write_text(f"[databases]\nfrom_file = host=127.0.0.1 port={cluster.port} dbname=p2 user=bouncer\n[pgbouncer]\nauth_type = any\n"
                   f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nserver_tls_sslmode = disable\n")
    os.chmod(own(ini), 0o644)
    c = container(("--environment", "pgbouncer", str(ini)), DB_HOST="127.0.0.9", LISTEN_PORT=port)
    with c.connect("from_file", "bouncer", "") as conn:
        assert conn.execute("select current_database()").fetchone() == ("p2",)


def test_check_tells_every_variable_that_is_wrong(binary, folder):
    done = subprocess.run([binary, "--check", "--environment"], capture_output=True, text=True, cwd="/",
                          env={"POOL_MODE": "both", "MAX_CLIENT_CONN": "many", "CLIENT_TLS_SSLMODE": "require"})
    assert done.returncode == 1
    for words in ('variable POOL_MODE: error: invalid value "both"', 'variable MAX_CLIENT_CONN: error: invalid value "many"',
                  "variable DB_HOST: error: is not set", "client_tls_"):
        assert words in done.stdout, done.stdout


# --- the container file, as far as it goes without an engine

def text_of(name):
    return (ROOT / "packaging" / name).read_text()


def test_the_container_installs_every_library_that_the_binary_needs(binary):
    needed = [line.split()[2] for line in subprocess.run(["ldd", binary], capture_output=True, text=True).stdout.splitlines()
              if "=> /" in line]
    spellings = [path for one in needed for path in (one, "/usr" + one, str(Path(one).resolve()))]
    found = subprocess.run(["dpkg-query", "-S", *spellings], capture_output=True, text=True).stdout
    owners = {line.split(":")[0] for line in found.splitlines()}
    final = text_of("Containerfile").split("FROM")[-1]
    installed = set(re.findall(r"[a-z][a-z0-9.+-]+", final))
    base = set(subprocess.run(["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
                               "--no-breaks", "--no-replaces", "--no-enhances",
                               *sorted(installed & owners), "dpkg", "apt", "bash"],
                              capture_output=True, text=True).stdout.split())
    assert owners
    assert owners - installed - base == set()


def test_the_container_builds_what_install_dependencies_installs():
    script = (ROOT / "scripts" / "install-dependencies").read_text()
    build = text_of("Containerfile").split("FROM")[1]
    asked = set(re.findall(r"\blib[a-z0-9.+-]+-dev\b", build))
    assert asked <= set(re.findall(r"\blib[a-z0-9.+-]+-dev\b", script))
    for library in re.findall(r"find_library\(\w+ (\w+) REQUIRED", (ROOT / "CMakeLists.txt").read_text()):
        assert library in build.replace("libc-ares", "libcares"), library


def test_the_compose_file_says_what_the_binary_understands(binary):
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load(text_of("compose.yaml"))["services"]
    assert (ROOT / "packaging" / services["pgweir"]["build"]["context"] / "CMakeLists.txt").resolve().exists()
    assert (ROOT / services["pgweir"]["build"]["dockerfile"]).exists()
    assert services["pgweir"]["environment"]["DB_HOST"] in services
    done = subprocess.run([binary, "--check", "--environment"], capture_output=True, text=True, cwd="/",
                          env=services["pgweir"]["environment"])
    assert done.returncode == 0 and "0 errors, 0 warnings" in done.stdout, done.stdout
