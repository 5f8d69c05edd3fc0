"""Fixtures: `cluster` is a real PostgreSQL, `pooler(...)` starts poolers that are stopped at the test's end."""
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import servers  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "ours: newer than PgBouncer 1.18, or better than PgBouncer; skipped against it")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60))
        if servers.IS_PGBOUNCER and item.get_closest_marker("ours"):
            item.add_marker(pytest.mark.skip(reason="PgBouncer 1.18 does not do this"))


@pytest.fixture(scope="session")
def binary():
    """The pooler, where an unprivileged user can run it."""
    if not servers.BINARY.exists():
        pytest.fail(f"{servers.BINARY} is not built (scripts/build release), and PGWEIR_BINARY names no other")
    folder = servers.new_folder("pgb")
    os.chmod(folder, 0o755)
    copy = shutil.copy(servers.BINARY, folder / "pooler")
    os.chmod(copy, 0o755)
    yield str(copy)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster():
    running = servers.Cluster()
    yield running
    running.remove()


@pytest.fixture
def own_cluster():
    """A PostgreSQL that a test may stop and start."""
    running = servers.Cluster()
    yield running
    running.remove()


@pytest.fixture
def pooler(cluster, binary):
    """pooler(databases={...}, users={...}, **settings) starts one; it must outlive the test."""
    started = []

    def make(behind=cluster, **options):
        started.append(servers.Pooler(behind, binary, **options))
        return started[-1]

    yield make
    wrong = [complaint for one in started if (complaint := one.finish())]
    assert not wrong, wrong[0]
