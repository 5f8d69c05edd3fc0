"""The tests of the images' variables once more, on the image that packaging/Containerfile makes: scripts/try-image builds it."""
import os
import shlex
import subprocess

import pytest
from servers import free_port, own
from test_environment import (Container, folder, role, test_a_mounted_ini_counts_instead_of_the_variables,  # noqa: F401
                              test_an_auth_query_with_casts_comes_through_whole,
                              test_bitnamis_variables_with_any_password_and_a_secret_in_a_file,
                              test_edoburus_database_url_takes_the_password_as_it_is, test_edoburus_variables_with_any_password,
                              test_sighup_reads_the_secret_files_again)
from wire import eventually

IMAGE = os.environ.get("PGWEIR_IMAGE")
PODMAN = shlex.split(os.environ.get("PGWEIR_PODMAN", "podman"))
pytestmark = [pytest.mark.ours, pytest.mark.timeout(120), pytest.mark.skipif(not IMAGE, reason="no image: scripts/try-image builds one and tests it")]


def run(variables, *arguments, folder=None):
    """The command that starts the image; its entry point says --environment."""
    mount = ["-v", f"{folder}:{folder}"] if folder else []
    return [*PODMAN, "run", "--rm", "--network=host", *mount, *[f"--env={name}={value}" for name, value in variables.items()], IMAGE, *arguments]


class FromImage(Container):
    def start(self, binary, arguments, variables, folder):
        return subprocess.Popen(run(variables, *arguments[1:], folder=folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=open(self.log, "w"))


@pytest.fixture
def container(folder):
    # Its user is another one than that of the tests.
    os.chmod(own(folder), 0o777)
    started = []

    def make(arguments=("--environment",), **variables):
        started.append(FromImage(None, folder, {name: str(value) for name, value in variables.items()}, arguments))
        return started[-1]

    yield make
    for one in started:
        one.process.terminate()
        one.process.wait(20)


def test_it_checks_its_variables_and_is_not_root():
    good = {"DB_HOST": "db.example", "DB_PASSWORD": "a'b;c::text"}
    done = subprocess.run(run(good, "--check"), capture_output=True, text=True)
    assert done.returncode == 0 and "0 errors, 0 warnings" in done.stdout, (done.stdout, done.stderr)
    done = subprocess.run(run({}, "--check"), capture_output=True, text=True)
    assert done.returncode == 1 and "DB_HOST: error: is not set" in done.stdout, (done.stdout, done.stderr)
    image = subprocess.run([*PODMAN, "image", "inspect", "--format={{.User}} {{.Config.StopSignal}}", IMAGE], capture_output=True, text=True)
    assert image.stdout.split() == ["postgres", "SIGTERM"], image


def test_its_stop_signal_ends_it_and_the_log_goes_to_stderr(container, cluster):
    c = container(DB_HOST="127.0.0.1", DB_PORT=cluster.port, DB_USER="bouncer", DB_PASSWORD="zzzz", DB_NAME="p0", LISTEN_PORT=free_port(),
                  AUTH_TYPE="scram-sha-256")
    c.connect("p0", "bouncer", "zzzz").close()
    c.process.terminate()
    eventually(lambda: c.process.poll() is not None, 20)
    assert c.process.returncode == 0 and "got SIGTERM" in c.log.read_text() and "WARNING" not in c.log.read_text(), c.log.read_text()
