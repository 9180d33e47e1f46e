#!/usr/bin/env python3
"""Made rpmdb.sqlite, a database of rpm for the tests of src/tree: python3 make.py rpmdb.sqlite

Pages of 512 bytes, so that 43 rows make a tree with an interior page, and a header of 20 KB has a chain of overflow
pages. The table of packages is made by the statement that rpm 4.18 makes it with, and headers have rpm's own layout. The
bytes depend on the version of SQLite; those that are checked in are of 3.40.1.
"""

import os
import sqlite3
import struct
import sys

NAME, VERSION, RELEASE, EPOCH, SUMMARY, ARCH = 1000, 1001, 1002, 1003, 1004, 1022
INT32, STRING, BIN, I18N = 4, 6, 7, 9
IMMUTABLE_REGION = 63


def header(values):
    """A header as the database has it: counts, index with the region's entry first, data with the region's trailer."""
    index, data = b"", b""
    for tag, kind, value in values:
        if kind == INT32:
            data += b"\0" * (-len(data) % 4)
        index += struct.pack(">IIII", tag, kind, len(data), 1)
        data += struct.pack(">I", value) if kind == INT32 else value.encode() + b"\0"
    count = len(values) + 1
    index = struct.pack(">IIII", IMMUTABLE_REGION, BIN, len(data), 16) + index
    data += struct.pack(">IIiI", IMMUTABLE_REGION, BIN, -16 * count, 16)
    return struct.pack(">II", count, len(data)) + index + data


def package(name, version, release, arch=None, epoch=None, summary="a package"):
    values = [(NAME, STRING, name), (VERSION, STRING, version), (RELEASE, STRING, release)]
    values += [(EPOCH, INT32, epoch)] if epoch is not None else []
    values += [(SUMMARY, I18N, summary)]
    values += [(ARCH, STRING, arch)] if arch is not None else []
    return header(values)


def main(path):
    if os.path.exists(path):
        os.remove(path)
    database = sqlite3.connect(path)
    database.execute("PRAGMA page_size = 512")
    database.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)")
    rows = [package(f"package-{number:02}", "1.0", "1.el9", "x86_64") for number in range(40)]
    rows.append(package("large", "1.2", "1.el9", "noarch", epoch=2, summary="x" * 20000))
    rows.append(package("gpg-pubkey", "fd431d51", "4ae0493b"))
    rows.append(b"no header")
    database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(row,) for row in rows])
    database.execute('CREATE TABLE "Values" (number INTEGER, text TEXT)')
    numbers = [0, 1, -1, 127, -129, 40_000, -9_000_000, 5_000_000_000, -(2**63), 2**63 - 1]
    values = [(number, "n\u00e4") for number in numbers] + [(None, ""), (None, None)]
    database.executemany('INSERT INTO "Values" VALUES (?, ?)', values)
    database.commit()
    database.close()


main(sys.argv[1])
