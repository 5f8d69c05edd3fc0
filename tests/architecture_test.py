"""The floor plan, enforced: who may include whom, and what each kind of code must not touch.

Facts (protocol, config) and opinions (policy, pool) know no socket and no clock; only proxy/net knows Asio and
OpenSSL's TLS. Each rule is a function from {path: text} to a list of violations, so that it can be shown to fail.
"""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FACTS = {"protocol", "config"}
BELOW_SESSION = FACTS | {"proxy/core", "proxy/policy", "proxy/pool", "proxy/observe"}
MAY_INCLUDE = {
    "protocol": {"protocol"},
    "config": {"config"},
    "proxy/core": {"proxy/core"},
    "proxy/policy": FACTS | {"proxy/core", "proxy/policy"},
    "proxy/pool": FACTS | {"proxy/core", "proxy/policy", "proxy/pool"},
    "proxy/observe": FACTS | {"proxy/core", "proxy/policy", "proxy/observe"},
    "proxy/session": BELOW_SESSION | {"proxy/session"},
    "proxy/admin": BELOW_SESSION | {"proxy/session", "proxy/admin"},
    "proxy/net": {"proxy/core", "proxy/net"},
    # Slow proofs on threads of their own: the core sees them through session/proof_port.h only.
    "proxy/auth": {"config", "proxy/auth"},
    # Serves what the console shows, by proxy/net's HTTP server; nothing below knows it.
    "proxy/web": BELOW_SESSION | {"proxy/session", "proxy/admin", "proxy/net", "proxy/web"},
    "proxy": BELOW_SESSION | {"proxy/session", "proxy/admin", "proxy/net", "proxy/auth", "proxy/web", "proxy"},
}
# Headers that may be included where their room as a whole may not.
ALSO = {"proxy/net": {"proxy/session/ports.h", "protocol/bytes.h"}, "proxy/auth": {"proxy/session/proof_port.h"}}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)
LINES_MAX = 400


def room_of(path):
    """protocol/auth/md5.cpp is protocol's, proxy/observe/web/page.cpp is proxy/observe's, proxy/main.cpp is proxy's."""
    parts = path.split("/")
    if parts[0] != "proxy":
        return parts[0]
    return "/".join(parts[:2]) if len(parts) > 2 else "proxy"


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def forbidden_includes(files):
    found = []
    for path, text in files.items():
        room = room_of(path)
        for header in INCLUDE.findall(text):
            if header.split("/")[0] not in ("protocol", "config", "proxy"):
                continue
            if room_of(header) not in MAY_INCLUDE.get(room, set()) and header not in ALSO.get(room, set()):
                found.append(f"{path} includes {header}")
    return found


def network_headers_outside_net(files):
    return [f"{path} includes {header}" for path, text in files.items() if room_of(path) != "proxy/net"
            for header in INCLUDE.findall(text)
            if header.startswith(("boost/asio", "boost/beast")) or header in ("openssl/ssl.h", "liburing.h")]


def clocks_read_outside_the_loop(files):
    clock = re.compile(r"(?:steady|system|high_resolution)_clock::now|\bclock_gettime\s*\(|\bgettimeofday\s*\(")
    return [f"{path} reads a clock: {match}" for path, text in files.items()
            if room_of(path) != "proxy/net" and path != "proxy/core/log.cpp"
            for match in clock.findall(without_comments(text))]


def sockets_in_facts_and_opinions(files):
    pure = FACTS | {"proxy/policy", "proxy/pool"}
    return [f"{path} includes {header}" for path, text in files.items() if room_of(path) in pure
            for header in INCLUDE.findall(text)
            if header in ("sys/socket.h", "sys/epoll.h", "netinet/in.h", "sys/un.h", "unistd.h")]


def too_long(files):
    """Generated tables (name_tables.cpp) are data and may be as long as they are."""
    return [f"{path} has {text.count(chr(10))} lines" for path, text in files.items()
            if text.count("\n") > LINES_MAX and not path.endswith("_tables.cpp")]


def paths_of_one_machine(files):
    pattern = re.compile(r"(?<![\w.$}])/(?:" + "work" + r"|home|Users)/\w+")
    return [f"{path} names {match}" for path, text in files.items() for match in pattern.findall(text)]


def tree(*patterns):
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True)
    names = listing.stdout.splitlines() if listing.returncode == 0 else [
        str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file() and "build" not in path.parts]
    files = {}
    for name in names:
        path = ROOT / name
        if name.startswith("build/"):
            continue
        if any(path.match(pattern) for pattern in patterns) and path.is_file():
            files[name] = path.read_text(errors="replace")
    return files


def sources():
    found = {path: text for path, text in tree("*.h", "*.cpp").items()
             if path.split("/")[0] in ("protocol", "config", "proxy")}
    assert found, "no source files found"
    return found


def test_every_include_follows_the_floor_plan():
    assert forbidden_includes(sources()) == []


def test_every_room_is_in_the_table():
    assert {room_of(path) for path in sources()} <= set(MAY_INCLUDE)


def test_asio_and_tls_are_known_to_proxy_net_only():
    assert network_headers_outside_net(sources()) == []


def test_time_is_handed_in_everywhere_but_in_the_loop_and_the_log():
    assert clocks_read_outside_the_loop(sources()) == []


def test_facts_and_opinions_know_no_socket():
    assert sockets_in_facts_and_opinions(sources()) == []


def test_every_room_has_a_readme():
    rooms = {room_of(path) for path in sources()}
    assert [room for room in sorted(rooms) if not (ROOT / room / "README.md").is_file()] == []


def test_no_file_is_longer_than_four_hundred_lines():
    assert too_long(tree("*.h", "*.cpp", "*.py", "scripts/*")) == []


def test_no_file_names_a_path_of_one_machine():
    assert paths_of_one_machine(tree("*")) == []


def test_each_rule_can_fail():
    upward = {"proxy/pool/pool.cpp": '#include "proxy/session/relay.h"\n',
              "proxy/net/loop.cpp": '#include "proxy/session/relay.h"\n',
              "protocol/wire.h": '#include "config/config.h"\n'}
    assert len(forbidden_includes(upward)) == 3
    assert forbidden_includes({"proxy/net/loop.cpp": '#include "proxy/session/ports.h"\n'}) == []
    assert network_headers_outside_net({"proxy/session/relay.cpp": "#include <boost/asio.hpp>\n"})
    assert network_headers_outside_net({"proxy/session/relay.cpp": "#include <liburing.h>\n"})
    assert clocks_read_outside_the_loop({"proxy/pool/pool.cpp": "auto t = std::chrono::steady_clock::now();\n"})
    assert not clocks_read_outside_the_loop({"proxy/pool/pool.cpp": "// steady_clock::now is the loop's.\n"})
    assert sockets_in_facts_and_opinions({"config/loader.cpp": "#include <sys/socket.h>\n"})
    assert too_long({"proxy/main.cpp": "\n" * (LINES_MAX + 1)})
    assert paths_of_one_machine({"docs/x.md": "see /" + "home/somebody\n"})
