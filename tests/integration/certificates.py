"""Certificates for tests, made with the openssl command: one CA, a server's, and clients' by name."""
import atexit
import os
import shutil
import subprocess

from servers import new_folder, own


class Authority:
    """A CA below a folder of its own; `issue` makes certificates, `other` is a CA that nobody trusts."""

    def __init__(self, name="pgweir test CA"):
        self.folder, self.count = new_folder("pgt"), 0
        os.chmod(self.folder, 0o755)
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.key, self.file = self.folder / "ca.key", self.folder / "ca.crt"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-keyout", self.key, "-out", self.file, "-subj", f"/CN={name}",
                     "-addext", "basicConstraints=critical,CA:TRUE")

    @staticmethod
    def openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def issue(self, name, alternatives="", key="ec", days=2):
        """(certificate file, key file) of that common name, e.g. alternatives="DNS:localhost,IP:127.0.0.1"."""
        self.count += 1
        stem = self.folder / f"{self.count}"
        files = [stem.with_suffix(end) for end in (".crt", ".key", ".csr", ".ext")]
        how = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else [key]
        self.openssl("req", "-newkey", *how, "-nodes", "-keyout", files[1], "-out", files[2], "-subj", f"/CN={name}")
        files[3].write_text(f"subjectAltName={alternatives}\n" if alternatives else "")
        self.openssl("x509", "-req", "-in", files[2], "-CA", self.file, "-CAkey", self.key, "-CAcreateserial",
                     "-days", days, "-out", files[0], "-extfile", files[3])
        os.chmod(own(files[1]), 0o600)
        return files[0], files[1]


def server_settings(authority, name="localhost", alternatives="DNS:localhost,IP:127.0.0.1", **options):
    """The client_tls settings of a pooler with a certificate of its own."""
    certificate, key = authority.issue(name, alternatives, **options)
    return {"client_tls_cert_file": certificate, "client_tls_key_file": key, "client_tls_sslmode": "require"}


def serve_tls(cluster, authority, hba=None, name="localhost", alternatives="DNS:localhost,IP:127.0.0.1"):
    """Switches ssl on in a PostgreSQL of the test's own; `hba` replaces its pg_hba.conf."""
    certificate, key = authority.issue(name, alternatives)
    for source, target in ((certificate, "server.crt"), (key, "server.key"), (authority.file, "root.crt")):
        place = cluster.data / target
        place.write_bytes(source.read_bytes())
        os.chmod(own(place), 0o600)
    with open(cluster.data / "postgresql.conf", "a") as conf:
        conf.write("ssl = on\nssl_ca_file = 'root.crt'\n")
    if hba is not None:
        (cluster.data / "pg_hba.conf").write_text(hba)
    cluster.run("pg_ctl", "-D", cluster.data, "-s", "reload")
    return certificate, key
