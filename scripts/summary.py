#!/usr/bin/env python3
"""Sums up CTest's results of one or more build trees: time per suite, failures, skips with their reasons; ends with one line of totals.

A test that skips exits with 77 and prints "SKIP: reason [what is missing]"; a test that leaves out only a part prints the same line and passes.
A skip for want of something that is required counts as a failure."""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict


def labels(tree):
    shown = subprocess.run(["ctest", "--test-dir", tree, "--show-only=json-v1"], capture_output=True, text=True, check=True).stdout
    found = {}
    for test in json.loads(shown)["tests"]:
        values = [p["value"] for p in test.get("properties", []) if p["name"] == "LABELS"]
        found[test["name"]] = [name for name in (values[0] if values else []) if name != "slow"]
    return found


def skips(text):
    """(reason, what is missing) of each SKIP line."""
    for line in re.findall(r"^SKIP:\s*(.*)$", text or "", re.M):
        wanted = re.search(r"\[(\w+)\]\s*$", line)
        yield line.strip(), wanted.group(1) if wanted else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--require", default="")
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("trees", nargs="+")
    args = parser.parse_args()
    required = set(filter(None, args.require.split(",")))
    suites = defaultdict(lambda: [0, 0.0])
    passed, failed, skipped = 0, [], []
    for tree in args.trees:
        results = pathlib.Path(tree, "results.xml")
        if not results.exists():
            failed.append(f"{tree}: no results: the build failed, or ctest did not run")
            continue
        known = labels(tree)
        cases = ET.parse(results).getroot().findall("testcase")
        if not cases:
            failed.append(f"{tree}: no tests were run")
        for case in cases:
            name, status = f"{tree}: {case.get('name')}", case.get("status")
            suite = (known.get(case.get("name")) or ["other"])[0] + (" (sanitizers)" if "asan" in tree else "")
            suites[suite][0] += 1
            suites[suite][1] += float(case.get("time"))
            left_out = list(skips(case.findtext("system-out")))
            missing = [reason for reason, wanted in left_out if wanted in required]
            if status == "run" and not missing:
                passed += 1
                skipped += [f"{name}: in part: {reason}" for reason, _ in left_out]
            elif status == "notrun" and not missing and left_out:
                skipped.append(f"{name}: {left_out[0][0]}")
            elif missing:
                failed.append(f"{name}: required, but skipped: {missing[0]}")
            elif status == "notrun":
                message = case.find("skipped")
                failed.append(f"{name}: did not run and gave no reason: {message.get('message') if message is not None else ''}")
            elif status == "disabled":
                skipped.append(f"{name}: disabled")
            else:
                failed.append(f"{name}: failed")
    print(f"\n{'suite':<28} {'tests':>6} {'seconds':>9}")
    for suite, (count, seconds) in sorted(suites.items()):
        print(f"{suite:<28} {count:>6} {seconds:>9.1f}")
    print(f"{'all, with building':<28} {sum(c for c, _ in suites.values()):>6} {args.seconds:>9}")
    whole = [line for line in skipped if ": in part: " not in line]
    for title, lines in (("skipped", skipped), ("FAILED", failed)):
        if lines:
            print(f"\n{title}:")
            print("\n".join("  " + line for line in lines))
    print(f"\n{passed} passed, {len(failed)} failed, {len(whole)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
