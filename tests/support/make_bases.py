#!/usr/bin/env python3
"""Makes the base images of the tests, as OCI layouts and archives, without any help from ocitect.

    tests/support/make_bases.py OUTPUT [PARTS]

Tar, gzip and JSON are Python's, zstd is Debian's: an independent opinion on what an image is. The shell inside is
Debian's busybox-static, one for amd64 and one for arm64, which apt fetches once into PARTS (`target/test-parts`).
The same parts give the same bytes. What is in each image is said where it is made; README.md beside this file has
the list of names.
"""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

ARCHITECTURES = ("amd64", "arm64")
SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# 2024-01-01, so that no base entry could pass for one of ocitect's, which have 1.
MTIME = 1704067200
CREATED = "2024-01-01T00:00:00Z"
NODE = 1000
APPLETS = "cat chmod cp echo env false find grep head id ls mkdir mv nc rm sh sha256sum sleep stat tail test touch true wc wget"

OCI = {
    "index": "application/vnd.oci.image.index.v1+json",
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "none": "application/vnd.oci.image.layer.v1.tar",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
DOCKER = {
    "index": "application/vnd.docker.distribution.manifest.list.v2+json",
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


class Layer:
    """The tar of one layer, entry by entry, in the order in which they are added."""

    def __init__(self, format=tarfile.GNU_FORMAT):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=format)

    def add(self, path: str, type: bytes, mode: int, owner: int, data=b"", target="", xattrs=None):
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.mtime, entry.linkname = type, mode, MTIME, target
        entry.uid = entry.gid = owner
        entry.size = len(data)
        # Values are bytes below 0x80, which are the same in UTF-8.
        entry.pax_headers = {f"SCHILY.xattr.{name}": value.decode("ascii") for name, value in (xattrs or {}).items()}
        self.tar.addfile(entry, io.BytesIO(data))
        return self

    def directory(self, path: str, mode=0o755, owner=0, xattrs=None):
        return self.add(path, tarfile.DIRTYPE, mode, owner, xattrs=xattrs)

    def file(self, path: str, data: bytes, mode=0o644, owner=0, xattrs=None):
        return self.add(path, tarfile.REGTYPE, mode, owner, data=data, xattrs=xattrs)

    def link(self, path: str, target: str):
        return self.add(path, tarfile.SYMTYPE, 0o777, 0, target=target)

    def hardlink(self, path: str, target: str):
        return self.add(path, tarfile.LNKTYPE, 0o644, 0, target=target)

    def whiteout(self, path: str):
        """Hides `path` of the layers below; `DIR/.wh..opq` makes a directory opaque."""
        directory, _, name = path.rpartition("/")
        return self.file(f"{directory}/.wh.{name}", b"", mode=0o600)

    def bytes(self) -> bytes:
        self.tar.close()
        return self.buffer.getvalue()


class Layout:
    """An OCI layout being written."""

    def __init__(self, directory: Path):
        self.directory = directory
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, media_type: str, data: bytes) -> dict:
        hexadecimal = hashlib.sha256(data).hexdigest()
        (self.directory / "blobs" / "sha256" / hexadecimal).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{hexadecimal}", "size": len(data)}

    def document(self, media_type: str, value: dict) -> dict:
        return self.blob(media_type, json.dumps(value, indent=1).encode())

    def image(self, platform: dict, tars: list, types: dict, compression: str, config: dict, compress=None) -> dict:
        """One manifest over `tars`; gives its descriptor. `compress` stands for the usual way to this compression."""
        compress = compress or COMPRESS[compression]
        layers = [self.blob(types[compression], compress(tar)) for tar in tars]
        diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
        full = {**platform, **config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": types["manifest"],
            "config": self.document(types["config"], full),
            "layers": layers,
        }
        return {**self.document(types["manifest"], manifest), "platform": platform}

    def index(self, types: dict, manifests: list) -> dict:
        return self.document(types["index"], {"schemaVersion": 2, "mediaType": types["index"], "manifests": manifests})

    def publish(self, descriptor: dict, tag="latest"):
        top = {"schemaVersion": 2, "manifests": [{**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}}]}
        (self.directory / "index.json").write_text(json.dumps(top, indent=1))


def compress_zstd(data: bytes) -> bytes:
    command = ["zstd", "-q", "-19", "--single-thread", "--stdout"]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


COMPRESS = {"none": bytes, "gzip": lambda data: gzip.compress(data, 9, mtime=0), "zstd": compress_zstd}


def system_layer(architecture: str, busybox: bytes) -> bytes:
    """A small merged-/usr system: busybox, two users, /tmp for all, a home. One name is too long for ustar."""
    layer = Layer()
    for path in ("dev", "etc", "opt", "proc", "run", "sys", "usr", "usr/bin", "usr/lib", "usr/sbin", "usr/share",
                 "usr/share/doc", "usr/share/doc/base", "var", "var/lib", "home"):
        layer.directory(path)
    layer.directory("root", 0o700).directory("tmp", 0o1777).directory("var/tmp", 0o1777)
    layer.directory("home/node", 0o750, NODE).file("home/node/.profile", b"PS1='node$ '\n", owner=NODE)
    for name in ("bin", "lib", "sbin"):
        layer.link(name, f"usr/{name}")
    layer.link("var/run", "/run")
    layer.file("usr/bin/busybox", busybox, 0o755)
    for applet in APPLETS.split():
        layer.link(f"usr/bin/{applet}", "busybox")
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
                             b"node:x:1000:1000::/home/node:/bin/sh\n")
    layer.file("etc/group", b"root:x:0:\nstaff:x:50:node\nnogroup:x:65534:\nnode:x:1000:\n")
    layer.file("usr/lib/os-release", b'ID=ocitect-test\nVERSION_ID="1"\n').link("etc/os-release", "../usr/lib/os-release")
    layer.file("etc/architecture", f"{architecture}\n".encode())
    layer.file("usr/share/doc/base/copyright", b"of the tests\n")
    layer.file(f"usr/share/doc/base/{'long-' * 24}name", b"long\n")
    return layer.bytes()


def application_layer() -> bytes:
    """A layer on top, equal on both platforms: extended attributes, a whiteout, a changed file."""
    layer = Layer(tarfile.PAX_FORMAT)
    layer.directory("etc").file("etc/motd", b"a base image for tests\n")
    # Version 2, effective, permitted: cap_net_bind_service, which is bit 10.
    capability = bytes([1, 0, 0, 2, 0, 4, 0, 0]) + bytes(12)
    layer.directory("opt").directory("opt/base", 0o2775, xattrs={"user.note": b"of the base"})
    layer.file("opt/base/bind-low", b"#!/bin/sh\necho bound\n", 0o755, xattrs={"security.capability": capability})
    layer.directory("usr").directory("usr/share").directory("usr/share/doc")
    layer.directory("usr/share/doc/base").whiteout("usr/share/doc/base/copyright")
    return layer.bytes()


def system_config() -> dict:
    return {
        "created": CREATED,
        "author": "the tests",
        "com.example.unknown": {"kept": [1, 2, 3]},
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "BASE_VERSION=1", "LANG=C.UTF-8"],
            "Entrypoint": ["/bin/env", "--"],
            "Cmd": ["/bin/sh"],
            "WorkingDir": "/opt",
            "User": "",
            "ExposedPorts": {"8080/tcp": {}},
            "Volumes": {"/var/lib": {}},
            "Labels": {"org.example.base": "yes", "org.example.version": "1"},
            "StopSignal": "SIGINT",
            "Healthcheck": {"Test": ["CMD-SHELL", "test -e /etc/motd"], "Interval": 30000000000, "Retries": 3},
            "Shell": ["/bin/sh", "-ec"],
            "com.example.inner": "kept too",
        },
        "history": [
            {"created": CREATED, "created_by": "system"},
            {"created": CREATED, "created_by": "CMD /bin/sh", "empty_layer": True},
            {"created": CREATED, "created_by": "application", "comment": "on top"},
        ],
    }


def platform_of(architecture: str) -> dict:
    """arm64 says its variant, as Docker's official images do."""
    variant = {"variant": "v8"} if architecture == "arm64" else {}
    return {"architecture": architecture, "os": "linux", **variant}


def make_system(directory: Path, busybox: dict, types: dict, compression: str):
    layout = Layout(directory)
    manifests = [
        layout.image(
            platform_of(architecture),
            [system_layer(architecture, busybox[architecture]), application_layer()],
            types, compression, system_config(),
        )
        for architecture in ARCHITECTURES
    ]
    layout.publish(layout.index(types, manifests))


def make_single(directory: Path, busybox: dict):
    """amd64 alone, as a manifest without an index; its descriptor in index.json says no platform."""
    layout = Layout(directory)
    tars = [system_layer("amd64", busybox["amd64"]), application_layer()]
    descriptor = layout.image(platform_of("amd64"), tars, OCI, "gzip", system_config())
    del descriptor["platform"]
    layout.publish(descriptor)


def make_whiteouts(directory: Path, busybox: dict):
    """Three layers over the system: what each hides, replaces and links. What must be there in the end:

    /data/a /data/through (written through the symlink /via) /data/sub/new (sub went and came again, without x),
    /opaque/new alone (its marker comes after it), /hard/two and /hard/three (one file; /hard/one is hidden),
    /kind/file-to-directory/inside, /kind/directory-to-file (a file), /kind/link-to-file (a file), /dotted/.keep.
    """
    first = Layer()
    for path in ("data", "data/sub", "opaque", "opaque/deep", "hard", "kind", "kind/directory-to-file", "dotted"):
        first.directory(path)
    for path in ("data/a", "data/b", "data/sub/x", "opaque/old", "opaque/deep/old", "hard/one",
                 "kind/file-to-directory", "kind/directory-to-file/inside", "dotted/.keep", "gone"):
        first.file(path, f"{path} of the first layer\n".encode())
    first.hardlink("hard/two", "hard/one").hardlink("hard/three", "hard/one")
    first.link("kind/link-to-file", "/etc/passwd")
    first.link("via", "data").file("via/through", b"written through a link\n")
    second = Layer()
    second.directory("data").whiteout("data/b").whiteout("data/sub")
    second.directory("opaque", 0o711, NODE).file("opaque/new", b"new\n").whiteout("opaque/.wh..opq")
    second.directory("hard").whiteout("hard/one")
    second.add("./.wh.gone", tarfile.REGTYPE, 0o600, 0)
    third = Layer(tarfile.PAX_FORMAT)
    third.directory("data").directory("data/sub", 0o700, NODE).file("data/sub/new", b"new\n", owner=NODE)
    third.directory("kind").directory("kind/file-to-directory").file("kind/file-to-directory/inside", b"inside\n")
    third.file("kind/directory-to-file", b"a file now\n").file("kind/link-to-file", b"a file now\n")
    layout = Layout(directory)
    tars = [first.bytes(), second.bytes(), third.bytes()]
    manifests = []
    for architecture in ARCHITECTURES:
        config = {**system_config(), "history": [{"created_by": f"layer {number}"} for number in range(4)]}
        all_tars = [system_layer(architecture, busybox[architecture]), *tars]
        manifests.append(layout.image(platform_of(architecture), all_tars, OCI, "gzip", config))
    layout.publish(layout.index(OCI, manifests))


def make_variants(directory: Path):
    """Platforms for the rules of variants: linux/386, linux/arm v5 and v7, linux/arm64 without a variant.

    /etc/platform says which. No amd64 at all; a config with OnBuild, and with less history than layers. The index
    also holds an attestation, as BuildKit adds them: a manifest of the platform unknown/unknown.
    """
    layout = Layout(directory)
    platforms = [
        {"architecture": "386", "os": "linux"},
        {"architecture": "arm", "os": "linux", "variant": "v5"},
        {"architecture": "arm", "os": "linux", "variant": "v7"},
        {"architecture": "arm64", "os": "linux"},
        {"architecture": "unknown", "os": "unknown"},
    ]
    manifests = []
    for platform in platforms:
        name = "/".join(platform[key] for key in ("os", "architecture", "variant") if key in platform)
        tars = [
            Layer().directory("etc").file("etc/platform", f"{name}\n".encode()).bytes(),
            Layer().directory("etc").file("etc/second", b"second\n").bytes(),
        ]
        config = {"config": {"Env": ["PATH=/bin"], "OnBuild": ["RUN false"]}, "history": [{"created_by": "first"}]}
        manifests.append(layout.image(platform, tars, OCI, "none", config))
    manifests[-1]["annotations"] = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": manifests[0]["digest"],
    }
    layout.publish(layout.index(OCI, manifests))


def make_archive(layout: Path, archive: Path):
    """The layout as an oci-archive: blobs first, index.json last, as some tools write them."""
    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = MTIME
        return entry

    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(layout.rglob("*"), key=lambda path: (path.name == "index.json", path)):
            tar.add(path, str(path.relative_to(layout)), recursive=False, filter=plain)


def fetch_busybox(parts: Path) -> dict:
    """busybox of Debian's busybox-static by architecture; apt fetches and verifies it, in a directory of its own."""
    wanted = {architecture: parts / f"busybox-{architecture}" for architecture in ARCHITECTURES}
    if not all(path.is_file() for path in wanted.values()):
        parts.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as name:
            download = apt_download(Path(name))
            for architecture, path in wanted.items():
                (package,) = download.glob(f"busybox-static_*_{architecture}.deb")
                unpack_busybox(package, path)
    return {architecture: path.read_bytes() for architecture, path in wanted.items()}


def apt_download(directory: Path) -> Path:
    command = apt_command(directory, ARCHITECTURES)
    packages = [f"busybox-static:{architecture}" for architecture in ARCHITECTURES]
    for arguments in (["update"], ["download", *packages]):
        done = subprocess.run([*command, *arguments], cwd=directory, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"tests: apt-get could not fetch {' and '.join(packages)} from Debian's mirror; "
                     "the base images of the tests are made of them")
    return directory


def apt_command(directory: Path, architectures: list) -> list:
    """apt-get for these architectures of Debian alone, where nothing is installed; all its state is in `directory`."""
    for name in ("lists/partial", "archives/partial"):
        (directory / name).mkdir(parents=True)
    (directory / "status").touch()
    sources = directory / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {debian_mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-", "Dir::State": directory,
        "Dir::State::status": directory / "status", "Dir::State::lists": directory / "lists",
        "Dir::Cache": directory, "APT::Architecture": architectures[0], "APT::Architectures": ",".join(architectures),
        "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::Retries": 3,
    }
    return ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]


def debian_mirror() -> str:
    """The mirror that this machine's apt is set up with, in either format of its sources."""
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    for line in subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        release, component, address = line.split(" ", 2)
        # Security updates are in an archive of their own, which lacks most packages.
        if component == "main" and "security" not in release:
            return address
    sys.exit("tests: apt has no mirror of Debian: name one in /etc/apt/sources.list.d/debian.sources")


def unpack_busybox(package: Path, target: Path):
    """Published by rename: of two runs at once neither reads the other's half."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = next(entry for entry in tar if entry.name in ("./bin/busybox", "./usr/bin/busybox"))
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        partial.write_bytes(tar.extractfile(member).read())
    partial.chmod(0o755)
    partial.rename(target)


def make_all(output: Path, parts: Path) -> dict:
    """Makes them all below `output`; gives the variables that name them."""
    busybox = fetch_busybox(parts)
    make_system(output / "base", busybox, OCI, "gzip")
    make_system(output / "base-zstd", busybox, OCI, "zstd")
    make_system(output / "base-plain", busybox, OCI, "none")
    make_system(output / "base-docker", busybox, DOCKER, "gzip")
    make_single(output / "base-single", busybox)
    make_whiteouts(output / "base-whiteouts", busybox)
    make_variants(output / "base-variants")
    make_archive(output / "base", output / "base.tar")
    return {
        "OCITECT_TEST_BASE": output / "base",
        "OCITECT_TEST_BASE_ZSTD": output / "base-zstd",
        "OCITECT_TEST_BASE_PLAIN": output / "base-plain",
        "OCITECT_TEST_BASE_DOCKER": output / "base-docker",
        "OCITECT_TEST_BASE_SINGLE": output / "base-single",
        "OCITECT_TEST_BASE_WHITEOUTS": output / "base-whiteouts",
        "OCITECT_TEST_BASE_VARIANTS": output / "base-variants",
        "OCITECT_TEST_BASE_ARCHIVE": output / "base.tar",
        "OCITECT_TEST_BUSYBOX_AMD64": parts / "busybox-amd64",
        "OCITECT_TEST_BUSYBOX_ARM64": parts / "busybox-arm64",
    }


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    made = make_all(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) == 3 else "target/test-parts"))
    print("\n".join(f"{name}={value}" for name, value in made.items()))
