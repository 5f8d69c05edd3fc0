"""The scripts a newcomer meets first: what they refuse, and how they count."""
import os
import socket
import subprocess
import sys

import pytest
import servers

SCRIPTS = servers.ROOT / "scripts"

CTEST = """\
1: [doctest] test cases:  4 |  4 passed | 0 failed | 1 skipped
1/4 Test #1: test_protocol ....................   Passed    0.01 sec
2: [doctest] test cases: 10 |  7 passed | 3 failed | 0 skipped
2/4 Test #2: test_core ........................***Failed    0.01 sec
3/4 Test #3: test_fuzz_seeds ..................Subprocess aborted***Exception:   0.25 sec
4: [doctest] test cases:  2 |  2 passed | 0 failed | 0 skipped
4: SUMMARY: AddressSanitizer: 8 byte(s) leaked
4/4 Test #4: test_sim .........................***Failed    0.10 sec
"""
PYTEST = ('<testsuites><testsuite><testcase classname="a" name="good"/><testcase classname="a" name="bad"><failure/>'
          '</testcase><testcase classname="a" name="skip"><skipped/></testcase></testsuite></testsuites>')


def summary(tmp_path, *options, ctest=CTEST, junit=PYTEST):
    (tmp_path / "ctest.log").write_text(ctest)
    (tmp_path / "pytest.xml").write_text(junit)
    return subprocess.run([sys.executable, SCRIPTS / "summary.py", *options, tmp_path / "ctest.log",
                           tmp_path / "pytest.xml"], capture_output=True, text=True)


def test_the_closing_line_counts_every_case(tmp_path):
    done = summary(tmp_path, "--pytest-status", "1")
    assert done.stdout.splitlines()[-1] == "14 passed, 6 failed, 2 skipped" and done.returncode == 1


def test_the_closing_line_of_a_good_run_names_no_failure(tmp_path):
    good = CTEST.splitlines(keepends=True)
    done = summary(tmp_path, "--passed", "one more", ctest="".join(good[:2]),
                   junit='<testsuite><testcase classname="a" name="b"/></testsuite>')
    assert done.stdout.splitlines()[-1] == "6 passed, 0 failed, 1 skipped" and done.returncode == 0


def test_a_second_run_counts_too_and_its_failures_are_told_apart(tmp_path):
    """scripts/test runs what is near sockets on both event loops."""
    second = tmp_path / "pytest-epoll.xml"
    (tmp_path / "ctest.log").write_text("".join(CTEST.splitlines(keepends=True)[:2]))
    (tmp_path / "pytest.xml").write_text('<testsuite><testcase classname="a" name="b"/></testsuite>')

    def closing(junit, status):
        second.write_text(junit)
        done = subprocess.run([sys.executable, SCRIPTS / "summary.py", "--pytest-status", "0", "--pytest-status", status,
                               tmp_path / "ctest.log", tmp_path / "pytest.xml", second], capture_output=True, text=True)
        return done.stdout.splitlines()

    lines = closing(PYTEST, "1")
    assert lines[-1] == "6 passed, 1 failed, 2 skipped" and "failed: a.bad (pytest-epoll)" in lines
    lines = closing('<testsuite><testcase classname="a" name="b"/></testsuite>', "2")
    assert lines[-1] == "6 passed, 1 failed, 1 skipped" and "pytest-epoll ended with status 2" in lines


@pytest.mark.parametrize("ctest,junit", [("", "<testsuite/>"), ("", "not xml"), (CTEST[:0], PYTEST)])
def test_a_run_without_tests_is_a_failure(tmp_path, ctest, junit):
    assert summary(tmp_path, ctest=ctest, junit=junit).returncode == 1


def quickstart(**environment):
    return subprocess.run([SCRIPTS / "quickstart", "--check"], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, **environment))


def test_quickstart_says_what_to_do_when_its_port_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = quickstart(PORT=str(port))
    assert done.returncode == 1 and f"port {port} is taken" in done.stderr and "PORT=" in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_quickstart_refuses_what_is_no_port(port):
    done = quickstart(PORT=port)
    assert done.returncode == 1 and "is not a port" in done.stderr


@pytest.mark.parametrize("script", ["quickstart", "test", "try-image"])
def test_an_unknown_option_is_refused(script):
    done = subprocess.run([SCRIPTS / script, "--bogus"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "--bogus" in done.stderr


@pytest.mark.parametrize("script", ["quickstart", "test", "try-image"])
def test_help_is_the_comment_at_the_top(script):
    done = subprocess.run([SCRIPTS / script, "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and f"scripts/{script}" in done.stdout and "#" not in done.stdout
