#!/usr/bin/env python3
"""Makes base images of Debian 12's own packages, as OCI layouts for amd64 and arm64, by unpacking alone.

    tests/support/make_real_bases.py [PARTS]

apt resolves, fetches and verifies the packages, in directories of its own, once: they stay in PARTS/debian
(`target/test-parts`; remove that to have newer ones). Then dpkg-deb and Python's tar do the rest: no maintainer
script runs, so both processors' images are made on either. What scripts would have done and programs rely on is
done here: the links of a merged /usr, accounts, alternatives, the bundle of certificates, dpkg's database. As in
Docker's slim images, /usr/share/{doc,man,locale,info,lintian} are left out, but for the copyright files.

The layouts stay in PARTS/real-bases/KEY, where KEY stands for the packages and the code that made them: the same
parts give the same bytes. They are shared by all runs and must not be changed.
"""

import concurrent.futures
import dataclasses
import functools
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import make_bases
from make_bases import ARCHITECTURES, CREATED, MTIME, OCI, Layout

# Debian's essential packages, and what Docker's slim images have beside them.
SLIM = """apt base-files base-passwd bash bsdutils ca-certificates coreutils dash debianutils diffutils dpkg findutils
grep gzip hostname init-system-helpers libc-bin libc6 libssl3 libstdc++6 login mawk ncurses-base ncurses-bin netbase
passwd perl-base sed sysvinit-utils tar tzdata usr-is-merged util-linux zlib1g""".split()
# What each image is asked to have. apt adds what that depends on; nothing that is merely recommended.
PACKAGES = {
    "slim": SLIM,
    "python": [*SLIM, "python3"],
    "node": [*SLIM, "curl", "nodejs"],
    "java": [*SLIM, "openjdk-17-jre-headless"],
    "musl": ["busybox-static", "musl"],
}
MERGED = {"amd64": ("bin", "lib", "lib64", "sbin"), "arm64": ("bin", "lib", "sbin")}
LEFT_OUT = re.compile(r"usr/share/(doc|man|locale|info|lintian)/")
KEPT = re.compile(r"usr/share/doc/[^/]+/copyright")
USUAL_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONFIG = {
    "slim": {"Env": [USUAL_PATH], "Cmd": ["bash"]},
    "python": {"Env": [USUAL_PATH, "LANG=C.UTF-8"], "Cmd": ["python3"]},
    "node": {"Env": [USUAL_PATH, "NODE_VERSION=18"], "Cmd": ["node"]},
    "java": {"Env": [USUAL_PATH], "Cmd": ["java"]},
    "musl": {"Env": [USUAL_PATH], "Cmd": ["/bin/sh"]},
}
ROOT_AND_NOBODY = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\n",
}


def fetch(parts: Path) -> dict:
    """The packages of each architecture and image, {"amd64": {"slim": {FILE: SHA256}}}; they are in PARTS/debian."""
    listing = parts / "debian" / "packages.json"
    if not listing.is_file():
        parts.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parts, prefix="debian-") as name:
            made = Path(name) / "debian"
            (made / "packages").mkdir(parents=True)
            packages = made / "packages"
            found = {architecture: download(Path(name), architecture, packages) for architecture in ARCHITECTURES}
            (made / "packages.json").write_text(json.dumps(found, indent=1, sort_keys=True))
            publish(made, listing.parent)
    return json.loads(listing.read_text())


def download(directory: Path, architecture: str, target: Path) -> dict:
    apt = make_bases.apt_command(directory / architecture, [architecture])
    run_apt([*apt, "update"])
    install = [*apt, "--yes", "--no-install-recommends", "install"]
    # Asked before anything is there: 'ADDRESS' FILE SIZE HASH, for each package that apt would fetch.
    uris = {image: run_apt([*install, "--print-uris", *packages]) for image, packages in PACKAGES.items()}
    images = {}
    for image, packages in PACKAGES.items():
        run_apt([*install, "--download-only", *packages])
        images[image] = {}
        for file in sorted(line.split(" ")[1] for line in uris[image].splitlines()):
            data = (directory / architecture / "archives" / file).read_bytes()
            (target / file).write_bytes(data)
            images[image][file] = hashlib.sha256(data).hexdigest()
    return images


def run_apt(command: list) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("tests: apt-get could not fetch Debian's packages from Debian's mirror, which the real bases are made of")
    return done.stdout


def publish(made: Path, target: Path):
    """Published by rename: of two runs at once the first one's stays, and neither reads the other's half."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():
            raise


@dataclasses.dataclass
class Entry:
    """A path of an image; entries that share `data` through `inode` are hardlinks."""

    type: bytes
    mode: int = 0o755
    owner: tuple = (0, 0)
    mtime: int = MTIME
    target: str = ""
    data: bytes = b""
    inode: tuple = None


class Tree:
    """What one layer of an image holds, over the tree below it."""

    def __init__(self, merged: tuple = (), below: "Tree" = None):
        self.merged, self.below = merged, below
        self.entries = {}
        for name in merged if below is None else ():
            self.link(name, f"usr/{name}")

    def lookup(self, path: str) -> Entry:
        return self.entries.get(path) or (self.below.lookup(path) if self.below else None)

    def file(self, path: str, data: bytes, owner=(0, 0)):
        self.entries[path] = Entry(tarfile.REGTYPE, 0o644, owner, data=data)

    def directory(self, path: str, mode=0o755, owner=(0, 0)):
        self.entries[path] = Entry(tarfile.DIRTYPE, mode, owner)

    def link(self, path: str, target: str):
        self.entries[path] = Entry(tarfile.SYMTYPE, 0o777, target=target)

    def real_path(self, name: str) -> str:
        """A package's path as it lies below a merged /usr; empty for what the links themselves stand for."""
        path = name.removeprefix("./").rstrip("/")
        first, _, rest = path.partition("/")
        if first in self.merged:
            return f"usr/{path}" if rest else ""
        return "" if path == "." else path

    def unpack(self, package: Path):
        stream = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
            for member in tar:
                path = self.real_path(member.name)
                if not path or LEFT_OUT.match(path) and not KEPT.fullmatch(path):
                    continue
                self.add(path, member, tar, package)

    def add(self, path: str, member: tarfile.TarInfo, tar: tarfile.TarFile, package: Path):
        there = self.lookup(path)
        if there is not None and member.isdir() and there.type in (tarfile.DIRTYPE, tarfile.SYMTYPE):
            return
        if there is not None:
            sys.exit(f"tests: {package.name}: /{path} is in another package too")
        if member.islnk():
            first = self.entries[self.real_path(member.linkname)]
            first.inode = first.inode or (package.name, member.linkname)
            self.entries[path] = first
            return
        data = tar.extractfile(member).read() if member.isreg() else b""
        owner = (member.uid, member.gid)
        self.entries[path] = Entry(member.type, member.mode, owner, int(member.mtime), member.linkname, data)

    def bytes(self) -> bytes:
        """The tar: sorted, each directory before what it holds, and those of the tree below with it."""
        for path in list(self.entries):
            for parent in Path(path).parents:
                name = str(parent)
                if name != "." and name not in self.entries:
                    self.entries[name] = self.lookup(name) or Entry(tarfile.DIRTYPE)
        buffer, seen = io.BytesIO(), {}
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path, entry in sorted(self.entries.items(), key=lambda item: item[0].split("/")):
                first = seen.setdefault(entry.inode, path) if entry.inode else path
                write(tar, path, entry, first)
        return buffer.getvalue()


def write(tar: tarfile.TarFile, path: str, entry: Entry, first: str):
    info = tarfile.TarInfo(path)
    info.type, info.linkname = (entry.type, entry.target) if first == path else (tarfile.LNKTYPE, first)
    info.mode, info.mtime = entry.mode, entry.mtime
    info.uid, info.gid = entry.owner
    info.size = len(entry.data) if first == path else 0
    tar.addfile(info, io.BytesIO(entry.data))


def slim_tree(architecture: str, packages: list) -> Tree:
    tree = Tree(MERGED[architecture])
    for package in packages:
        tree.unpack(package)
    for name in ("passwd", "group"):
        tree.file(f"etc/{name}", tree.lookup(f"usr/share/base-passwd/{name}.master").data)
    tree.link("etc/alternatives/awk", "/usr/bin/mawk")
    tree.link("usr/bin/awk", "/etc/alternatives/awk")
    tree.link("var/run", "/run")
    tree.link("var/lock", "/run/lock")
    certificates = (path for path in sorted(tree.entries) if re.fullmatch(r"usr/share/ca-certificates/.*\.crt", path))
    tree.file("etc/ssl/certs/ca-certificates.crt", b"".join(tree.entries[path].data for path in certificates))
    return tree


def upper_tree(image: str, slim: Tree, packages: list) -> Tree:
    tree = Tree(slim.merged, slim)
    for package in packages:
        tree.unpack(package)
    if image == "node":
        tree.file("etc/passwd", slim.lookup("etc/passwd").data + b"node:x:1000:1000::/home/node:/bin/bash\n")
        tree.file("etc/group", slim.lookup("etc/group").data + b"node:x:1000:\n")
        tree.directory("home/node", owner=(1000, 1000))
    if image == "java":
        home = next(path for path in tree.entries if re.fullmatch(r"usr/lib/jvm/java-17-openjdk-[a-z0-9]+", path))
        tree.link("etc/alternatives/java", f"/{home}/bin/java")
        tree.link("usr/bin/java", "/etc/alternatives/java")
    return tree


def musl_tree(packages: list) -> Tree:
    """Not merged, as Alpine is: /bin/busybox, /lib/ld-musl-*.so.1."""
    tree = Tree()
    for package in packages:
        tree.unpack(package)
    for name in make_bases.APPLETS.split():
        tree.link(f"bin/{name}", "busybox")
    for path, text in ROOT_AND_NOBODY.items():
        tree.file(path, text.encode())
    for path in ("dev", "home", "proc", "run", "sys", "usr/bin", "usr/lib", "var"):
        tree.directory(path)
    tree.directory("root", 0o700)
    tree.directory("tmp", 0o1777)
    tree.file("etc/os-release", b'ID=ocitect-test-musl\nVERSION_ID="12"\n')
    return tree


def dpkg_status(packages: list) -> bytes:
    """/var/lib/dpkg/status, as dpkg would have left it."""
    texts = []
    for package in packages:
        fields = ["dpkg-deb", "--field", str(package)]
        text = subprocess.run(fields, stdout=subprocess.PIPE, check=True, text=True).stdout
        first, rest = text.split("\n", 1)
        texts.append(f"{first}\nStatus: install ok installed\n{rest.strip()}\n")
    return "\n".join(sorted(texts)).encode()


def layers(architecture: str, packages: dict) -> dict:
    """The tars of each image; the slim one's is the lowest of those upon it."""
    slim = slim_tree(architecture, packages["slim"])
    slim.file("var/lib/dpkg/status", dpkg_status(packages["slim"]))
    made = {"slim": [slim.bytes()]}
    for image in ("python", "node", "java"):
        tree = upper_tree(image, slim, [package for package in packages[image] if package not in packages["slim"]])
        tree.file("var/lib/dpkg/status", dpkg_status(packages[image]))
        made[image] = [*made["slim"], tree.bytes()]
    return {**made, "musl": [musl_tree(packages["musl"]).bytes()]}


# The slim layer is in four images, and is compressed once.
@functools.lru_cache(maxsize=None)
def compress(tar: bytes) -> bytes:
    return gzip.compress(tar, 6, mtime=0)


def make(output: Path, listing: dict, packages: Path):
    layouts = {image: Layout(output / image) for image in PACKAGES}
    # Most of the time is compression, during which zlib lets the other thread run.
    with concurrent.futures.ThreadPoolExecutor(len(ARCHITECTURES)) as threads:
        started = [threads.submit(make_platform, layouts, name, listing[name], packages) for name in ARCHITECTURES]
        platforms = [platform.result() for platform in started]
    for image, layout in layouts.items():
        layout.publish(layout.index(OCI, [manifests[image] for manifests in platforms]))


def make_platform(layouts: dict, architecture: str, files: dict, packages: Path) -> dict:
    """The manifests of one architecture, by image."""
    manifests = {}
    named = {image: [packages / file for file in names] for image, names in files.items()}
    for image, tars in layers(architecture, named).items():
        history = [{"created": CREATED, "created_by": name} for name in ("slim", image)[-len(tars):]]
        config = {"created": CREATED, "config": CONFIG[image], "history": history}
        platform = make_bases.platform_of(architecture)
        manifests[image] = layouts[image].image(platform, tars, OCI, "gzip", config, compress)
    return manifests


def key(listing: dict) -> str:
    code = b"".join(Path(module).read_bytes() for module in (__file__, make_bases.__file__))
    return hashlib.sha256(code + json.dumps(listing, sort_keys=True).encode()).hexdigest()[:16]


def make_all(parts: Path) -> dict:
    """Makes them where they are lacking; gives the variables that name them."""
    listing = fetch(parts)
    target = parts / "real-bases" / key(listing)
    if not target.is_dir():
        target.parent.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix="partial-"))
        made.chmod(0o755)
        try:
            make(made, listing, parts / "debian" / "packages")
            publish(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return {f"OCITECT_TEST_REAL_{image.upper()}": target / image for image in PACKAGES}


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    os.umask(0o022)
    for name, value in make_all(Path(sys.argv[1] if len(sys.argv) == 2 else "target/test-parts").resolve()).items():
        print(f"{name}={value}")
