"""A real PostgreSQL 15 and a pooler in front of it, both below a short temporary folder and never as root."""
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from wire import Conn, PgError

ROOT = Path(__file__).resolve().parents[2]
PG_BIN = Path(os.environ.get("PG_BIN", "/usr/lib/postgresql/15/bin"))
BINARY = Path(os.environ.get("PGWEIR_BINARY", ROOT / "build" / "release" / "pgweir")).absolute()
IS_PGBOUNCER = BINARY.name == "pgbouncer"
DATABASES = [f"p{i}" for i in range(8)]

# name: (password, how PostgreSQL asks for it)
ROLES = {
    "bouncer": ("zzzz", "trust"), "alice": ("apass", "trust"), "bob": ("bpass", "trust"),
    "admin": ("adminpass", "trust"), "stats": ("statspass", "trust"),
    "muser1": ("foo", "md5"), "puser1": ("foo", "password"),
    "scramuser1": ("foo", "scram-sha-256"), "scramuser2": ("bar", "scram-sha-256"),
}


def server_user():
    """Who the servers run as: us, unless we are root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no unprivileged user to run the servers as")


def servers_uid():
    user = server_user()
    return os.geteuid() if user is None else user.pw_uid


def identity():
    """Arguments for subprocess that drop our privileges."""
    user = server_user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def own(path):
    user = server_user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def new_folder(prefix):
    return Path(own(tempfile.mkdtemp(prefix=prefix, dir="/tmp")))


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Cluster:
    """PostgreSQL. `stop` and `start` may be called at will; the databases stay."""

    def __init__(self):
        self.folder, self.port = new_folder("pgc"), free_port()
        self.data, self.log_path = self.folder / "data", self.folder / "postgres.log"
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync")
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\n"
                       f"unix_socket_directories = '{self.folder}'\nmax_connections = 400\nfsync = off\n"
                       "full_page_writes = off\nsynchronous_commit = off\nautovacuum = off\n"
                       "log_statement = all\nlog_line_prefix = '[%p] %q%u@%d '\nshared_buffers = 32MB\n"
                       "max_wal_size = 1GB\nmax_prepared_transactions = 4\n"
                       "shared_preload_libraries = 'pg_stat_statements'\n")
        rules = [f"{kind} all {role} {address} {method}" for role, (_, method) in ROLES.items()
                 if method != "trust" for kind, address in (("local", ""), ("host", "127.0.0.1/32"))]
        (self.data / "pg_hba.conf").write_text(
            "\n".join(rules) + "\nlocal all all trust\nhost all all 127.0.0.1/32 trust\n"
            "host replication all 127.0.0.1/32 trust\n")
        self.start()
        with self.connect() as conn:
            for role, (password, method) in ROLES.items():
                conn.execute(f"set password_encryption = '{'md5' if method == 'md5' else 'scram-sha-256'}'")
                conn.execute(f"create role {role} login password '{password}'")
            conn.execute("grant pg_read_all_stats to bouncer, admin")
            for name in DATABASES:
                conn.execute(f"create database {name}")
                conn.execute(f"grant all on database {name} to public")
        for name in DATABASES:
            with self.connect(name) as conn:
                conn.execute("grant all on schema public to public")

    def run(self, program, *arguments):
        done = subprocess.run([PG_BIN / program, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **identity())
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stdout}\n{self.log()[-1000:]}")

    def start(self):
        # pg_ctl's child keeps the pipe of run() open, hence the log file on the command line.
        subprocess.run([PG_BIN / "pg_ctl", "-D", self.data, "-l", self.log_path, "-w", "-s", "start"], check=True,
                       cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **identity())

    def stop(self, mode="immediate"):
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-s", "stop")

    def remove(self):
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def connect(self, dbname="postgres", user="postgres", **options):
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=dbname, user=user, autocommit=True, **options)

    def running(self, text="pg_sleep", database="p0"):
        """How many backends of the database execute a statement with that text now."""
        return self.value("select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and "
                          f"datname = '{database}' and position('{text}' in query) > 0")

    def wire(self, database="p0", user="bouncer", **parameters):
        return Conn(self.address).login(user, database, ROLES.get(user, ("",))[0], **parameters)

    def value(self, sql, dbname="postgres"):
        with self.connect(dbname) as conn:
            return conn.execute(sql).fetchone()[0]

    def backends(self, dbname):
        return self.value(f"select count(*) from pg_stat_activity where datname = '{dbname}' "
                          "and pid <> pg_backend_pid() and backend_type = 'client backend'")


class Pooler:
    """One process of the pooler under test, with its own port, unix socket folder and log."""

    def __init__(self, cluster, binary, databases=None, users=None, auth=None, hba=None, arguments=(), peers=None,
                 start=True, **settings):
        self.cluster, self.binary, self.arguments = cluster, binary, list(arguments)
        self.folder, self.port = new_folder("pgw"), free_port()
        self.log_path, self.ini, self.expected_end, self.hung = self.folder / "log", self.folder / "pooler.ini", False, False
        self.auth_path = self.folder / "users.txt"
        self.write_auth(auth if auth is not None else {name: secret for name, (secret, _) in ROLES.items()})
        self.databases = dict(databases) if databases is not None else {name: "" for name in DATABASES}
        self.users, self.peers = dict(users or {}), dict(peers or {})
        self.settings = {"listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": self.folder,
                         "logfile": self.log_path, "auth_type": "trust", "auth_file": self.auth_path,
                         "admin_users": "admin", "stats_users": "stats", "max_client_conn": 1000,
                         "server_login_retry": 1, "log_stats": 0, "server_tls_sslmode": "disable"}
        if hba is not None:
            self.write("hba.conf", hba)
            self.settings.update(auth_type="hba", auth_hba_file=self.folder / "hba.conf")
        self.settings.update(settings)
        self.asked_for = set(settings)
        self.write_ini()
        self.process = None
        if start:
            self.start()

    def write(self, name, text):
        (self.folder / name).write_text(text)
        os.chmod(own(self.folder / name), 0o600)

    def write_auth(self, secrets):
        quoted = lambda text: '"' + text.replace('"', '""') + '"'
        self.write("users.txt", "".join(f"{quoted(name)} {quoted(secret)}\n" for name, secret in secrets.items()))

    def write_ini(self):
        """Databases without a host are those of the cluster."""
        lines = ["[databases]"]
        for name, options in self.databases.items():
            where = "" if "host=" in options else f"host=127.0.0.1 port={self.cluster.port} "
            lines.append(f"{name} = {where}{options}")
        lines.append("[pgbouncer]")
        lines += [f"{key} = {value}" for key, value in self.settings.items() if value is not None]
        # The whole suite with other settings: PGWEIR_SETTINGS="workers=2". What a test asks for itself stays.
        lines += [line for line in os.environ.get("PGWEIR_SETTINGS", "").split() if line.split("=")[0] not in self.asked_for]
        for section, entries in (("users", self.users), ("peers", self.peers)):
            if entries:
                lines += [f"[{section}]"] + [f"{name} = {options}" for name, options in entries.items()]
        self.write("pooler.ini", "\n".join(lines) + "\n")

    def start(self, wait=True):
        self.stderr = open(self.folder / "stderr", "w+")
        self.process = subprocess.Popen([self.binary, *self.arguments, self.ini], cwd=self.folder,
                                        stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr, **identity())
        if wait:
            self.wait_until_it_listens()
        return self

    def wait_until_it_listens(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                Conn(("127.0.0.1", self.port), 1).close()
                if self.settings["unix_socket_dir"]:
                    Conn(self.unix_path, 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        raise RuntimeError(f"the pooler does not listen (exit {self.process.poll()}):\n{self.output()}\n{self.log()}")

    def output(self):
        path = self.folder / "stderr"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_has(self, pattern, seconds=5.0):
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.log())):
            if time.monotonic() > deadline:
                raise AssertionError(f"no line like {pattern!r} in the log:\n{self.log()[-3000:]}")
            time.sleep(0.02)
        return found

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait_exit(self, seconds=20.0):
        """For tests in which the pooler is to end: its exit status."""
        self.expected_end = True
        return self.process.wait(seconds)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.expected_end = True
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.hung = True
                self.process.kill()
                self.process.wait()

    def finish(self):
        """Stops, removes, and returns what is wrong with how it ran."""
        wrong = None
        if self.process is not None and self.process.poll() is not None and not self.expected_end:
            wrong = f"the pooler ended by itself ({self.process.returncode}):\n{self.output()[-3000:]}"
        self.stop()
        if wrong is None and self.hung:
            wrong = f"the pooler did not end by SIGQUIT:\n{self.log()[-3000:]}"
        if wrong is None and re.search(r"Sanitizer|check failed|runtime error", self.output()):
            wrong = f"the pooler complained:\n{self.output()[-6000:]}"
        if self.process is not None:
            self.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return wrong

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def unix_path(self):
        return str(self.folder / f".s.PGSQL.{self.port}")

    def wire(self, database="p0", user="bouncer", password=None, timeout=10.0, unix=False, **parameters):
        conn = Conn(self.unix_path if unix else self.address, timeout)
        try:
            return conn.login(user, database, ROLES.get(user, ("",))[0] if password is None else password, **parameters)
        except PgError:
            conn.close()
            raise

    def connect(self, dbname="p0", user="bouncer", autocommit=True, prepare_threshold=None, **options):
        """A psycopg connection."""
        options.setdefault("password", ROLES.get(user, ("",))[0])
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=dbname, user=user, autocommit=autocommit,
                               prepare_threshold=prepare_threshold, **options)

    def console(self, user="admin"):
        return self.wire("pgbouncer", user)

    def console_over_unix(self):
        """The console as the process's own user sees it, without a password: there while TCP is closed."""
        ours = servers_uid()
        if os.geteuid() == ours:
            return Conn(self.unix_path).login("pgbouncer", "pgbouncer")
        os.seteuid(ours)
        try:
            conn = Conn(self.unix_path)
        finally:
            os.seteuid(0)
        return conn.login("pgbouncer", "pgbouncer")

    def command(self, command, user="admin"):
        """Runs a console command; returns its rows as dictionaries."""
        with self.console(user) as console:
            return console.table(command)

    def pool(self, database="p0", user="bouncer"):
        """That row of SHOW POOLS, numbers as int."""
        for row in self.command("show pools"):
            if (row["database"], row["user"]) == (database, user):
                return {key: int(value) if value and value.isdigit() else value for key, value in row.items()}
        return None

    def psql(self, *arguments, database="p0", user="bouncer", **options):
        environment = dict(os.environ, PGPASSWORD=ROLES.get(user, ("",))[0], PGCONNECT_TIMEOUT="10")
        return subprocess.run(["psql", "-X", "-A", "-t", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", user,
                               "-d", database, *arguments], capture_output=True, text=True, env=environment,
                              timeout=30, **options)
