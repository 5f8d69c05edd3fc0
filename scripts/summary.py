#!/usr/bin/env python3
"""Adds up what ctest (its -V log) and pytest (its JUnit file) report; see scripts/test.

Every doctest case counts as one test; a program of ctest's without doctest's summary line counts as one.
"""
import argparse
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

CASES = re.compile(
    r"^(\d+): .*test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|(?:\s*(\d+) skipped)?"
)
OUTCOME = re.compile(r"^\s*\d+/\d+ Test\s+#(\d+): (\S+) \.*\s*(.*?)\s+[\d.]+ sec")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def read_ctest(path):
    """Returns ([passed, failed, skipped], what to say, the output of the programs that failed)."""
    counts, notes, cases, output, seen = [0, 0, 0], [], {}, {}, False
    with open(path, errors="replace") as log:
        for line in log:
            line = COLOUR.sub("", line.rstrip("\n"))
            if match := re.match(r"^(\d+): ?(.*)", line):
                output.setdefault(match[1], []).append(match[2])
            if match := CASES.match(line):
                cases[match[1]] = [int(match[3]), int(match[4]), int(match[5] or 0)]
            elif match := OUTCOME.match(line):
                seen = True
                number, name, word = match.groups()
                passed = word == "Passed"
                skipped = "Skipped" in word
                result = cases.get(number, [int(passed), int(not passed and not skipped), int(skipped)])
                if not passed and not skipped and result[1] == 0:
                    # The cases passed and the program did not: a sanitizer, say, or a leak found at its end.
                    result = [result[0], 1, result[2]]
                counts = [a + b for a, b in zip(counts, result)]
                notes.append(f"{name}: {result[0]} passed, {result[1]} failed")
                if passed or skipped:
                    output.pop(number, None)
    if not seen:
        counts[1] += 1
        notes.append("ctest: no test ran")
    return counts, notes, output


def read_pytest(path, status):
    # Names the run where there are several: pytest-epoll.xml.
    run = os.path.splitext(os.path.basename(path))[0]
    which = "" if run == "pytest" else f" ({run})"
    counts, notes = [0, 0, 0], []
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        return [0, 1, 0], [f"{run}: no results ({error})"]
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            counts[1] += 1
            notes.append(f"failed: {case.get('classname')}.{case.get('name')}{which}")
        elif case.find("skipped") is not None:
            counts[2] += 1
        else:
            counts[0] += 1
    if (status != 0 and counts[1] == 0) or not cases:
        counts[1] += 1
        notes.append(f"{run} ended with status {status}")
    notes.insert(0, f"{run}: {counts[0]} passed, {counts[1]} failed")
    return counts, notes


def main():
    options = argparse.ArgumentParser()
    options.add_argument("logs", nargs="+")
    options.add_argument("--failures", action="store_true", help="only print the output of failed programs")
    options.add_argument("--pytest-status", type=int, action="append", default=[], help="one for each JUnit file")
    options.add_argument("--passed", action="append", default=[])
    options.add_argument("--failed", action="append", default=[])
    chosen = options.parse_args()

    counts, notes, output = read_ctest(chosen.logs[0])
    if chosen.failures:
        for lines in output.values():
            print("\n".join(lines))
        print("\n".join(notes))
        return 0
    for path, status in zip(chosen.logs[1:], chosen.pytest_status + [0] * len(chosen.logs)):
        more, said = read_pytest(path, status)
        counts = [a + b for a, b in zip(counts, more)]
        notes += said
    notes += [f"passed: {name}" for name in chosen.passed] + [f"failed: {name}" for name in chosen.failed]
    passed, failed, skipped = counts[0] + len(chosen.passed), counts[1] + len(chosen.failed), counts[2]
    print("\n".join(notes))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
