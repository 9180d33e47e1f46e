"""Compares two YAML files as PyYAML reads them: they may differ only in scalars that got a digest.

    compare.py BEFORE AFTER DIGEST

Prints the number of scalars that got it, or `unreadable` if PyYAML does not read BEFORE. Fails for any other difference.
"""

import re
import sys

import yaml

OLD_DIGEST = re.compile("(@?)sha256:[0-9a-f]{64}$")


def events(path: str) -> list:
    """The events of a file, without their positions."""
    with open(path, "rb") as file:
        found = list(yaml.parse(file.read(), Loader=yaml.SafeLoader))
    return [{key: value for key, value in vars(event).items() if not key.endswith("_mark")} | {"": type(event).__name__} for event in found]


def pinned(value: str, digest: str) -> str:
    """The value with the digest in place of an old one, or added."""
    if OLD_DIGEST.search(value):
        return OLD_DIGEST.sub(lambda match: match[1] + digest, value)
    return f"{value}@{digest}"


def main(before: str, after: str, digest: str) -> None:
    try:
        old = events(before)
    except yaml.YAMLError:
        print("unreadable")
        return
    new = events(after)
    if len(old) != len(new):
        sys.exit(f"{len(old)} events before, {len(new)} after")
    count = 0
    for left, right in zip(old, new):
        if left == right:
            continue
        # Whether a plain scalar resolves to text is the reader's: 1.0 was a number, and 1.0@sha256:... is text.
        if left[""] != "ScalarEvent" or {**left, "value": pinned(left["value"], digest)} != right:
            sys.exit(f"{left}\n{right}")
        count += 1
    print(count)


main(*sys.argv[1:])
