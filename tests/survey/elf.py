"""What ELF files say of themselves, by readelf, and what a base image has."""

import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

# The C library's own names: an image without them cannot start anything.
C_LIBRARY = re.compile(r"(libc|libm|libdl|libpthread|librt|libutil|libresolv|ld-linux[^.]*|libc\.musl[^.]*)\.so")
MULTIARCH = "usr/lib/x86_64-linux-gnu"
BATCH = 400


def is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def elf_files(tree: Path) -> list:
    found = []
    for directory, _, names in os.walk(tree):
        found += [path for name in names if is_elf(path := Path(directory) / name)]
    return sorted(found)


def needed(files: list) -> dict:
    """The names that each file needs, {Path: [SONAME]}."""
    result = {}
    for at in range(0, len(files), BATCH):
        batch = files[at:at + BATCH]
        # readelf prints no line "File:" for a single file; so the null device is added.
        command = ["readelf", "--dynamic", "--wide", *map(str, batch), "/dev/null"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        current = None
        for line in done.stdout.decode(errors="replace").splitlines():
            if line.startswith("File: "):
                current = Path(line[len("File: "):])
                result[current] = []
            elif current and (match := re.search(r"\(NEEDED\).*\[(.*)\]", line)):
                result[current].append(match[1])
    return result


def is_for(path: Path, machine: int) -> bool:
    """Whether the file is for this `e_machine`; files of both surveyed processors are little-endian."""
    with path.open("rb") as file:
        header = file.read(20)
    return header[18:20] == machine.to_bytes(2, "little")


AMD64, ARM64 = 62, 183


class Base:
    """A base image for amd64, its layers unpacked once into `directory`; the bases of the tests have no whiteouts."""

    def __init__(self, layout: Path, directory: Path):
        self.directory = directory
        if not directory.is_dir():
            partial = directory.with_name(f"{directory.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            for layer in layers(layout):
                subprocess.run(["tar", "--extract", "--no-same-owner", "--file", str(layer), "--directory", str(partial)], check=True)
            partial.rename(directory)

    def library(self, soname: str) -> list:
        """The paths that make up this library: its link, if there is one, and its file."""
        path = f"{MULTIARCH}/{soname}"
        full = self.directory / path
        found = [path] if full.is_symlink() or full.is_file() else []
        if full.is_symlink():
            found.append(os.path.normpath(os.path.join(MULTIARCH, os.readlink(full))))
        return found

    @functools.cache
    def needs_of(self, program: str) -> frozenset:
        """All names that the program at this path needs, and its libraries in turn."""
        seen, waiting = set(), [self.directory / program]
        while waiting:
            current = waiting.pop()
            for soname in needed([current])[current]:
                if soname not in seen:
                    seen.add(soname)
                    waiting += [self.directory / path for path in self.library(soname)[-1:]]
        return frozenset(seen)


def layers(layout: Path) -> list:
    """The layer blobs of the layout's image for amd64."""
    blob = lambda digest: layout / "blobs" / digest.replace(":", "/")
    index = json.loads((layout / "index.json").read_text())
    while "manifests" in index:
        entries = index["manifests"]
        entry = next((e for e in entries if e.get("platform", {}).get("architecture") == "amd64"), entries[0])
        index = json.loads(blob(entry["digest"]).read_text())
    return [blob(layer["digest"]) for layer in index["layers"]]
