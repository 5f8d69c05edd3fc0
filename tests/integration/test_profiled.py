"""scripts/build-profiled: the build that a training load lays out. Building it takes a quarter of an hour; here the load runs on
the binary that is there, and CMake says what it would compile with."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
import servers

pytestmark = pytest.mark.ours

# Stands for a build with counters, which writes them below GCOV_PREFIX when it ends.
COUNTING = """#!/bin/sh
if [ -n "{counts}" ]; then
  mkdir -p "$GCOV_PREFIX{build}/CMakeFiles/room.dir" && echo counts >"$GCOV_PREFIX{build}/CMakeFiles/room.dir/file.cpp.gcda"
fi
exec {binary} "$@"
"""


def train(binary, counts):
    """Runs bench/train on a build folder; returns how it ended and the counts that it left there."""
    with tempfile.TemporaryDirectory() as build:
        os.chmod(build, 0o755)
        program = Path(build, "pgweir")
        program.write_text(COUNTING.format(counts=counts, build=build, binary=binary))
        program.chmod(0o755)
        done = subprocess.run([servers.ROOT / "bench" / "train", build, "50ms"], capture_output=True, text=True, timeout=400)
        return done, [str(path.relative_to(build)) for path in Path(build).rglob("*.gcda")]


def test_the_training_load_runs_on_both_loops_and_leaves_the_counts_beside_the_objects(binary):
    done, counts = train(binary, counts="yes")
    assert done.returncode == 0, done.stderr
    has_uring = "event loop: io_uring" in subprocess.run([binary, "-V"], capture_output=True, text=True).stdout
    assert has_uring or "no io_uring loop here: trained without" in done.stderr, done.stderr
    for loop in ("epoll", "io_uring")[:1 + has_uring]:
        assert f"training on {loop} with 1 worker" in done.stderr and f"training on {loop} with 2 worker" in done.stderr, done.stderr
    assert counts == ["CMakeFiles/room.dir/file.cpp.gcda"]


def test_a_build_that_counts_nothing_is_refused(binary):
    done, counts = train(binary, counts="")
    assert done.returncode == 1 and "nothing was counted" in done.stderr and counts == []


@pytest.mark.parametrize("profile, flag", [("generate", "-fprofile-generate"), ("use", "-fprofile-use"), ("", None)])
def test_only_the_data_path_is_built_with_counters_or_by_them(tmp_path, profile, flag):
    done = subprocess.run(["cmake", "-S", servers.ROOT, "-B", tmp_path, "-G", "Ninja", f"-DPGWEIR_PROFILE={profile}", "-DPGWEIR_TESTS=OFF",
                           "-DPGWEIR_BENCH=OFF", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    commands = {Path(one["file"]).relative_to(servers.ROOT).as_posix(): one["command"].split()
                for one in json.loads((tmp_path / "compile_commands.json").read_text()) if one["file"].startswith(str(servers.ROOT / "p"))}
    for hot in ("protocol/framer.cpp", "proxy/session/worker.cpp", "proxy/net/uring_loop.cpp"):
        profiled = [option for option in commands[hot] if option.startswith("-fprofile")]
        assert (flag in profiled) if flag else not profiled, (hot, commands[hot])
    assert not [option for option in commands["proxy/main.cpp"] if option.startswith("-fprofile")]
