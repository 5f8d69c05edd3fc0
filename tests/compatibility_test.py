"""docs/compatibility.md: every row names a test that exists, and everything the program has stands in a row."""
import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What this project owes a test each: holes and bugs that other poolers had (CVEs, cancel, pause and reload, login and
# parser), and what newcomers get wrong. A test bears its number in its name or docstring.
CVES = ["2026-6664", "2026-6665", "2026-6666", "2026-6667", "2025-12819", "2025-2291", "2021-3935", "2015-6817", "2012-4575", "2024-45624"]
OWED = {*CVES, *(f"T{number}" for number in [*range(33, 40), *range(51, 69), 73])}
NEWCOMERS = [f"h{number}" for number in range(1, 16)]
VERDICTS = {"served", "better", "different", "not yet", "ours"}


def rows(text):
    """[(section, what, verdict, tests)]; the heads of the tables are left out."""
    found, section = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("| ") and not line.startswith("| What "):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found.append((section, cells[0].strip(), cells[1], re.findall(r"`([^`]*::[^`]*)`", cells[-1])))
    return found


def all_tests():
    found = set()
    for path in ROOT.glob("tests/**/*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                found.add(f"{path.name}::{node.name}")
    for path in ROOT.glob("tests/**/*_test.cpp"):
        for name in re.findall(r'TEST_CASE\w*\(\s*"([^"]*)"', path.read_text()):
            found.add(f"{path.name}::{name}")
    return found


def numbers_of(name, docstring=""):
    """Those that a test's name or docstring bears: {"T38", "2021-3935"}."""
    text = f"{name} {docstring}"
    found = {f"T{number}" for number in re.findall(r"(?<![A-Za-z0-9])T(\d+)(?!\d)", text)}
    return found | {"-".join(parts) for parts in re.findall(r"cve[-_](\d+)[-_](\d+)", text, re.I)}


def numbers_borne():
    found = set()
    for path in ROOT.glob("tests/**/*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                found |= numbers_of(node.name, ast.get_docstring(node) or "")
    for path in ROOT.glob("tests/**/*_test.cpp"):
        for name in re.findall(r'TEST_CASE\w*\(\s*"([^"]*)"', path.read_text()):
            found |= numbers_of(name)
    return found


def without_a_test(found, tests):
    return [(what, named) for _, what, _, named in found if not named or not set(named) <= tests]


def missing(section, wanted, found):
    have = {what.strip("`") for where, what, _, _ in found if where == section}
    return sorted(set(wanted) - have)


PLACEHOLDERS = r"…|\bX\b|'x'|\(age=Ns\)|\bN\b|0x|db= user=|tls= replication=|db/user@host:port|unix\(pid\):port|\[pid\]"


def unproven_texts(found, files):
    """[(text, piece of it)]: what a row quotes, and no file of its tests has; rows that say how we differ quote PgBouncer."""
    lost = []
    for _, what, verdict, named in found:
        proof = "\n".join(files[name.split("::")[0]] for name in named)
        proof = (proof + re.sub(r"\\(.)", r"\1", proof)).lower()
        for quoted in re.findall(r"`([^`]+)`", what) if verdict in ("served", "better") else ():
            pieces = [piece.strip(" :'\"(),-") for piece in re.split(PLACEHOLDERS, quoted)]
            lost += [(quoted, piece) for piece in pieces if len(piece) > 3 and piece.lower() not in proof]
    return lost


def source(name):
    return (ROOT / name).read_text()


def the_rows():
    found = rows(source("docs/compatibility.md"))
    assert len(found) > 150
    return found


def test_every_row_names_tests_that_exist():
    assert without_a_test(the_rows(), all_tests()) == []


def test_every_verdict_is_one():
    assert [row for row in the_rows() if row[2] not in VERDICTS] == []


def test_every_text_that_a_row_quotes_stands_in_its_tests():
    files = {path.name: path.read_text() for path in ROOT.glob("tests/**/*") if path.suffix in (".py", ".cpp")}
    texts = [row for row in the_rows() if row[0] in ("Commands", "The process", "Log lines", "What clients are told")]
    assert len(texts) > 70 and unproven_texts(texts, files) == []


def test_every_setting_of_the_table_has_a_row():
    table = source("config/settings_table.cpp").split("const Setting table[]")[1]
    assert missing("Settings of [pgbouncer]", re.findall(r"NAMED\((\w+)\)", table), the_rows()) == []


def test_every_key_of_an_entry_has_a_row():
    keys = re.findall(r'Key<\w>\{"(\w+)"', source("config/connstr.cpp"))
    rows_of_keys = " ".join(what for where, what, _, _ in the_rows() if where.startswith("Keys of"))
    assert len(keys) > 30 and sorted(set(keys) - set(re.findall(r"\w+", rows_of_keys))) == []


def test_every_show_has_a_row():
    names = [name.upper() for path in (ROOT / "proxy/admin").glob("show_*.cpp")
             for name in re.findall(r'constinit const Show show_\w+\{\s*"(\w+)"', path.read_text())]
    assert len(names) > 20
    assert missing("SHOW", [f"SHOW {name}" for name in names], the_rows()) == []


def test_every_command_has_a_row():
    verbs = re.findall(r'^\s*\{"(\w+)", (?:stats|admin),', source("proxy/admin/console_commands.cpp"), re.M)
    assert len(verbs) > 10
    assert missing("Commands", [verb.upper() for verb in verbs], the_rows()) == []


def test_every_auth_type_has_a_row():
    body = source("config/config.cpp").split("AuthType")[1:]
    names = set(re.findall(r'AuthType::\w+, "([\w-]+)"|"([\w-]+)", AuthType::', source("config/config.cpp")))
    names = {name for pair in names for name in pair if name}
    assert body and len(names) > 7
    assert missing("Authentication", names, the_rows()) == []


def test_every_row_of_what_newcomers_get_wrong_has_a_test_that_bears_its_number():
    assert [what.split()[0] for where, what, _, _ in the_rows() if where == "What newcomers get wrong"] == NEWCOMERS
    texts = "\n".join(path.read_text() for path in (ROOT / "tests/integration").glob("test_*.py"))
    for _, what, _, named in [row for row in the_rows() if row[0] == "What newcomers get wrong"]:
        number = what.split()[0]
        for name in named:
            body = texts.split(f"def {name.split('::')[1]}(")[1].split("\ndef ")[0]
            assert re.search(rf'"""{number}\b', body), (number, name)


def test_every_number_that_is_owed_is_borne_by_a_test():
    assert sorted(OWED - numbers_borne()) == []


def test_each_rule_can_fail():
    found = rows("## A\n| What | Verdict | How | Proven by |\n|---|---|---|---|\n| `x` | served | | `a.py::b` |\n| `y` | served | | |\n")
    assert [row[1] for row in found] == ["`x`", "`y`"]
    assert without_a_test(found, {"a.py::b"}) == [("`y`", [])]
    assert without_a_test(found[:1], set()) == [("`x`", ["a.py::b"])]
    assert missing("A", ["x", "z"], found) == ["z"]
    assert unproven_texts([("", "`so: X`, `and so`", "served", ["a.py::b"])], {"a.py": '"so: it"'}) == [("and so", "and so")]
    assert numbers_of("test_T62_T64_and_cve_2012_4575", "h2, T7: CVE-2021-3935") == {"T62", "T64", "T7", "2012-4575", "2021-3935"}
    assert numbers_of("test_XT51_of_CVE-no-number") == set()
