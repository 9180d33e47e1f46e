"""What ELF files say of themselves, by readelf, and what a base image has."""

import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

# The C library's own names: an image without them starts nothing at all.
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
        # A single file has no line "File:"; the null device stands beside it.
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
    """A base image: the links and files of its layers for amd64."""

    def __init__(self, layout: Path):
        self.layout = layout
        self.links, self.files, self.needs = {}, set(), {}
        blob = lambda digest: layout / "blobs" / digest.replace(":", "/")
        index = json.loads((layout / "index.json").read_text())
        while "manifests" in index:
            entries = index["manifests"]
            entry = next((e for e in entries if e.get("platform", {}).get("architecture") == "amd64"), entries[0])
            index = json.loads(blob(entry["digest"]).read_text())
        self.layers = [blob(layer["digest"]) for layer in index["layers"]]
        for layer in self.layers:
            with tarfile.open(layer) as tar:
                for member in tar:
                    path = member.name.removeprefix("./")
                    if member.issym():
                        self.links[path] = member.linkname
                    elif not member.isdir():
                        self.files.add(path)

    def read(self, path: str) -> bytes:
        data = None
        for layer in self.layers:
            with tarfile.open(layer) as tar:
                for member in tar:
                    if member.name.removeprefix("./") == path:
                        data = tar.extractfile(member).read()
        return data

    def library(self, soname: str) -> list:
        """The paths that make up this library: its link, if there is one, and its file."""
        path = f"{MULTIARCH}/{soname}"
        found = [path] if path in self.files or path in self.links else []
        if path in self.links:
            found.append(os.path.normpath(os.path.join(MULTIARCH, self.links[path])))
        return found

    def needs_of(self, path: str, scratch: Path) -> set:
        """All names that the program at this path needs, and its libraries in turn."""
        if path in self.needs:
            return self.needs[path]
        seen, waiting = set(), [path]
        while waiting:
            current = waiting.pop()
            while current in self.links:
                current = os.path.normpath(os.path.join(os.path.dirname(current), self.links[current]))
            scratch.write_bytes(self.read(current))
            for soname in needed([scratch])[scratch]:
                if soname not in seen:
                    seen.add(soname)
                    waiting += self.library(soname)[:1]
        scratch.unlink()
        self.needs[path] = seen
        return seen
