"""docs/migration.md: each ini of the page is good, and serves."""
import re
import subprocess

import pytest
from servers import ROOT, identity

pytestmark = pytest.mark.ours
PAGE = (ROOT / "docs" / "migration.md").read_text()
INIS = dict(zip(("pgbouncer", "pgcat", "pgpool"), re.findall(r"```ini\n(.*?)```", PAGE, re.S)))


def test_the_page_has_an_ini_of_each_kind():
    assert len(INIS) == 3 and len(re.findall("```ini", PAGE)) == 3
    assert re.findall(r"^## From (\S+)", PAGE, re.M) == ["PgBouncer", "PgCat", "pgpool-II"]


@pytest.mark.parametrize("kind", list(INIS))
def test_its_ini_is_good_and_serves(pooler, cluster, binary, kind):
    p = pooler(start=False, auth={"bouncer": "zzzz", "app": "secret"})
    p.write("pool_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    p.write("userlist.txt", '"bouncer" "zzzz"\n"app" "secret"\n')
    text = INIS[kind].replace("port=5432", f"port={cluster.port}").replace("dbname=shop", "dbname=p0")
    text = re.sub(r"^(auth_file|auth_hba_file) = ", rf"\1 = {p.folder}/", text, flags=re.M)
    text = re.sub(r"^listen_port = \d+", f"listen_port = {p.port}", text, flags=re.M)
    p.write("pooler.ini", text + f"unix_socket_dir = {p.folder}\nlogfile = {p.log_path}\n")
    done = subprocess.run([binary, "--check", p.ini], capture_output=True, text=True, **identity())
    assert done.returncode == 0 and "0 errors, 0 warnings" in done.stdout, done.stdout
    p.start()
    for database in re.findall(r"^(\w+) = host", INIS[kind], re.M) or ["p1"]:
        with p.connect(database) as conn:
            assert conn.execute("select current_user::text").fetchone() == ("bouncer",)
    with p.wire("pgbouncer", "app", "secret") as console:
        assert console.table("show pools")


def test_every_setting_the_page_speaks_of_exists():
    known = set(re.findall(r"NAMED\((\w+)\)", (ROOT / "config" / "settings_table.cpp").read_text()))
    keys = set(re.findall(r'Key<\w>\{"(\w+)"', (ROOT / "config" / "connstr.cpp").read_text()))
    ours = set()
    for line in PAGE.splitlines():
        if line.startswith("| ") and not line.startswith("| Pg"):
            ours |= set(re.findall(r"`([a-z_]+)", line.split(" | ")[-1]))
    assert len(ours) > 20
    assert ours - known - keys - {"transaction", "auth"} == set()
