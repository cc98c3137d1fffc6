#!/usr/bin/env python3
"""Counts what test runners reported, and sums it up for ./dev test.

usage: count-tests.py meson TESTLOG.json     cmocka programs run by meson
       count-tests.py junit FILE.xml...      pytest and other writers of JUnit files
       count-tests.py node FILE              what node's test runner prints (TAP or spec)
       count-tests.py failed KIND FILE       the names of the tests that failed; KIND as above
       count-tests.py report FOLDER          all counts in FOLDER; exit status 1 unless all is well

The first three print "passed failed skipped", which ./dev keeps as FOLDER/PART beside
FOLDER/PART.status ("exit-status seconds"). "failed" ends with 1 where running those tests a second
time could not tell anything new; FOLDER/PART.unsteady has the names of those that passed then.
"""
import json
import os
import re
import sys
import xml.etree.ElementTree as xml

# More failures than these are no accident of a busy machine, and what a sanitizer saw is there.
ACCIDENTS = 3
SANITIZERS = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|: runtime error: ")


def count_meson(path):
    passed = failed = skipped = 0
    with open(path) as f:
        for line in f:
            test = json.loads(line)
            text = (test.get("stdout") or "") + (test.get("stderr") or "")
            # cmocka says: [  PASSED  ] 3 test(s).
            said = {w: sum(map(int, re.findall(r"^\[ +%s +\] (\d+) test\(s\)" % w, text, re.M)))
                    for w in ("PASSED", "FAILED", "SKIPPED")}
            passed += said["PASSED"]
            failed += said["FAILED"]
            skipped += said["SKIPPED"]
            if test["result"] == "SKIP" and not said["SKIPPED"]:
                skipped += 1
            elif test["result"] == "OK" and not any(said.values()):
                passed += 1
            elif test["result"] not in ("OK", "SKIP") and not said["FAILED"]:
                failed += 1  # a crash, a sanitizer's report, a time-out
    return passed, failed, skipped


def count_junit(paths):
    total = failed = skipped = 0
    for path in paths:
        for suite in xml.parse(path).iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    return total - failed - skipped, failed, skipped


def count_node(path):
    said = {}
    with open(path, encoding="utf-8", errors="replace") as f:
        for word, n in re.findall(r"^(?:#|\u2139) (pass|fail|cancelled|skipped|todo) (\d+)$", f.read(), re.M):
            said[word] = said.get(word, 0) + int(n)
    return (said.get("pass", 0), said.get("fail", 0) + said.get("cancelled", 0),
            said.get("skipped", 0) + said.get("todo", 0))


def failed_meson(path):
    """Names and what was said of each."""
    with open(path) as f:
        for test in map(json.loads, f):
            if test["result"] not in ("OK", "SKIP"):
                yield test["name"], (test.get("stdout") or "") + (test.get("stderr") or "")


def failed_junit(path):
    for case in xml.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            yield "%s::%s" % (case.get("classname"), case.get("name")), "".join(case.itertext())


def failed_node(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        said = re.findall(r"^(?:not ok \d+ -|\u2716) (.*?)(?: \([\d.]+ms\))?$", f.read(), re.M)
    for name in sorted(set(said) - {"failing tests:"}):
        yield name, ""


def failed(kind, path):
    found = list({"meson": failed_meson, "junit": failed_junit, "node": failed_node}[kind](path))
    for name, _ in found:
        print(name)
    return 0 if 0 < len(found) <= ACCIDENTS and not any(SANITIZERS.search(t) for _, t in found) else 1


def unsteady(folder, part):
    """The tests of a part that failed, and passed when they ran again by themselves."""
    try:
        with open(os.path.join(folder, part + ".unsteady")) as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def report(folder):
    passed = failed = 0
    print()
    parts = sorted((os.path.getmtime(os.path.join(folder, f)), f[:-len(".status")])
                   for f in os.listdir(folder) if f.endswith(".status"))
    for _, part in parts:
        with open(os.path.join(folder, part + ".status")) as f:
            status, seconds = map(int, f.read().split())
        try:
            with open(os.path.join(folder, part)) as f:
                p, f_, s = map(int, f.read().split())
        except (OSError, ValueError):
            p = f_ = s = 0
        note = ""
        again = unsteady(folder, part)
        if again:
            note = ", of these at the second try, and to be mended: " + ", ".join(again)
            p, f_ = p + f_, 0
        if s:
            note += ", %d skipped: a test that must run and did not is a failure" % s
            f_ += s
        if p + f_ == 0 or (status and not f_):
            note += ", exit status %d%s" % (status, "" if p + f_ else " and no test ran")
            f_ += 1
        print("%-12s %5d passed %4d failed  %4d s%s" % (part, p, f_, seconds, note))
        passed += p
        failed += f_
    print("\n%d passed, %d failed" % (passed, failed))
    return 0 if parts and passed and not failed else 1


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    what, args = sys.argv[1], sys.argv[2:]
    if what == "report":
        sys.exit(report(args[0]))
    if what == "failed":
        sys.exit(failed(*args))
    if what == "junit":
        counts = count_junit(args)
    else:
        counts = {"meson": count_meson, "node": count_node}[what](args[0])
    print("%d %d %d" % counts)


if __name__ == "__main__":
    main()
