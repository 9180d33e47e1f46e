#!/usr/bin/env python3
"""Fetches and builds the real artifacts of the tests: packages with native modules, and a program, for amd64 and arm64.

    tests/support/fetch_artifacts.py [PARTS]

npm and pip fetch exactly what `artifacts/npm.json` and `artifacts/requirements.txt` pin by version and hash; apt
fetches and verifies Debian's packages, as for the real bases. Nothing is installed and no script of a package runs:
they are unpacked. What is made stays in PARTS/artifacts/KEY, where KEY stands for the pins, the sources and this code;
it is shared by all runs and must not be changed:

    packages/                       as fetched: *.tgz of npm, *.whl of PyPI, *.deb
    npm/NAME@VERSION/               an npm package, unpacked; the slash of @SCOPE/NAME is a plus sign, as pnpm has it
    python/{amd64,arm64}/           the wheels, unpacked, as they would lie in site-packages
    debian/{amd64,arm64}/PACKAGE/   a package of Debian, unpacked, without its documentation
    backend/{amd64,arm64}           the static Go program of testdata/systems/workstation
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

import make_bases
import make_real_bases
from make_real_bases import publish

PINS = Path(__file__).resolve().parent / "artifacts"
BACKEND = Path(__file__).resolve().parents[2] / "testdata" / "systems" / "workstation" / "backend"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# With what it depends on, and without what the real base with Python has: libzmq5 and its own libraries too.
DEBIAN = ["python3-zmq"]


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


def fetch_debian(directory: Path, output: Path):
    for architecture in MACHINES:
        apt = make_bases.apt_command(directory / f"apt-{architecture}", [architecture])
        make_real_bases.run_apt([*apt, "update"])
        base = make_real_bases.PACKAGES["python"]
        wanted = sorted(resolved(apt, [*base, *DEBIAN]) - resolved(apt, base))
        archives = directory / f"apt-{architecture}" / "archives"
        run([*apt, "download", *wanted], cwd=archives)
        for archive in sorted(archives.glob("*.deb")):
            unpack_debian(archive, output / "debian" / architecture / archive.name.partition("_")[0])
            shutil.move(archive, output / "packages" / archive.name)


def resolved(apt: list, packages: list) -> set:
    """The names of all packages that apt would install for these."""
    uris = make_real_bases.run_apt([*apt, "--yes", "--no-install-recommends", "install", "--print-uris", *packages])
    return {line.split(" ")[1].partition("_")[0] for line in uris.splitlines()}


def unpack_debian(package: Path, target: Path):
    """Paths are below a merged /usr, as the base has it. Owners are ours, and modes by their executable bit."""
    tree = make_real_bases.Tree(("bin", "lib", "sbin"), make_real_bases.Tree())
    tree.unpack(package)
    for path, entry in tree.entries.items():
        if entry.type == tarfile.SYMTYPE:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).symlink_to(entry.target)
        elif entry.type == tarfile.REGTYPE and not path.startswith("usr/share/doc/"):
            write(target / path, entry.data, 0o755 if entry.mode & 0o100 else 0o644)


def build_backend(directory: Path, output: Path):
    """CGO_ENABLED=0 makes it static; -trimpath leaves out where it was built."""
    for architecture in MACHINES:
        program = output / "backend" / architecture
        command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "."]
        settings = {"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": architecture, "GOCACHE": directory / "go-cache",
                    "GOFLAGS": "-buildvcs=false", "GOPROXY": "off", "GOPATH": directory / "go"}
        environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
        run(command, cwd=BACKEND, env=environment)


def write(path: Path, data: bytes, mode: int):
    if ".." in path.parts:
        sys.exit(f"tests: a package wants to write {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def run(command: list, **options) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"tests: {command[0]} failed, and the artifacts of the tests are fetched or built with it")
    return done.stdout


def key() -> str:
    read = [Path(__file__), PINS / "npm.json", PINS / "requirements.txt", BACKEND / "go.mod", BACKEND / "main.go"]
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
            fetch_debian(Path(name), made)
            build_backend(Path(name), made)
            publish(made, target)
    return {"OCITECT_TEST_ARTIFACTS": target}


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    os.umask(0o022)
    for name, value in fetch_all(Path(sys.argv[1] if len(sys.argv) == 2 else "target/test-parts").resolve()).items():
        print(f"{name}={value}")
