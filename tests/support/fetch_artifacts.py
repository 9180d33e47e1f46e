#!/usr/bin/env python3
"""Fetches the real artifacts of the tests: packages with native modules, for amd64 and arm64, on either.

    tests/support/fetch_artifacts.py [PARTS]

npm and pip fetch exactly what `artifacts/npm.json` and `artifacts/requirements.txt` pin by version and hash. Nothing
is installed and no script of a package runs: they are unpacked. What is made stays in PARTS/artifacts/KEY, where KEY
stands for the pins and this code; it is shared by all runs and must not be changed:

    packages/                       as fetched: *.tgz of npm, *.whl of PyPI
    npm/NAME@VERSION/               an npm package, unpacked; the slash of @SCOPE/NAME is a plus sign, as pnpm has it
    python/{amd64,arm64}/           the wheels, unpacked, as they would lie in site-packages
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

sys.dont_write_bytecode = True

from make_real_bases import publish

PINS = Path(__file__).resolve().parent / "artifacts"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def folder(package: str) -> str:
    """`@swc/core@1.2.3` as one name of a directory."""
    return package.replace("/", "+")


def fetch_npm(directory: Path, output: Path):
    pins = json.loads((PINS / "npm.json").read_text())
    packages = output / "packages"
    options = ["--silent", "--json", "--ignore-scripts", f"--cache={directory}", f"--pack-destination={packages}"]
    for made in json.loads(run(["npm", "pack", *options, *pins])):
        package = f"{made['name']}@{made['version']}"
        tarball = packages / made["filename"].replace("@", "").replace("/", "-")
        check_integrity(package, tarball.read_bytes(), pins.pop(package))
        unpack_npm(tarball, output / "npm" / folder(package))
    if pins:
        sys.exit(f"tests: npm did not give {', '.join(pins)}")


def check_integrity(package: str, data: bytes, pinned: str):
    found = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    if found != pinned:
        sys.exit(f"tests: npm's {package} is not the pinned one: {found} instead of {pinned}")


def unpack_npm(tarball: Path, target: Path):
    """Without the first component of each path, which npm ignores; modes by their executable bit, as npm does."""
    with tarfile.open(tarball) as tar:
        for member in tar:
            _, _, path = member.name.partition("/")
            if member.isreg() and path:
                write(target / path, tar.extractfile(member).read(), 0o755 if member.mode & 0o100 else 0o644)


def fetch_wheels(output: Path):
    for architecture, machine in MACHINES.items():
        with tempfile.TemporaryDirectory(dir=output) as name:
            platforms = [f"--platform=manylinux{tag}_{machine}" for tag in ("2014", "_2_17")]
            run(["pip3", "download", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--require-hashes",
                 "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=none", *platforms,
                 f"--dest={name}", f"--requirement={PINS / 'requirements.txt'}"])
            for wheel in sorted(Path(name).glob("*.whl")):
                unpack_wheel(wheel, output / "python" / architecture)
                shutil.move(wheel, output / "packages" / wheel.name)


def unpack_wheel(wheel: Path, target: Path):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                executable = member.external_attr >> 16 & 0o100
                write(target / member.filename, archive.read(member), 0o755 if executable else 0o644)


def write(path: Path, data: bytes, mode: int):
    if ".." in path.parts:
        sys.exit(f"tests: a package wants to write {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def run(command: list) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"tests: {command[0]} could not fetch the artifacts that tests/support/artifacts pins")
    return done.stdout


def key() -> str:
    read = [Path(__file__), PINS / "npm.json", PINS / "requirements.txt"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in read)).hexdigest()[:16]


def fetch_all(parts: Path) -> dict:
    """Fetches them where they are lacking; gives the variable that names them."""
    target = parts / "artifacts" / key()
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="partial-") as name:
            made = Path(name) / "made"
            (made / "packages").mkdir(parents=True)
            fetch_npm(Path(name) / "npm-cache", made)
            fetch_wheels(made)
            publish(made, target)
    return {"OCITECT_TEST_ARTIFACTS": target}


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    os.umask(0o022)
    for name, value in fetch_all(Path(sys.argv[1] if len(sys.argv) == 2 else "target/test-parts")).items():
        print(f"{name}={value}")
