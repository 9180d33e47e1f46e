"""Ocitect and its peers, each behind the same few methods; a new peer is a class here and a line in PEERS.

Every peer makes one layer of a tree, compresses and hashes it, and writes an image as a layout, an archive, or into a
registry on loopback. Floors do less: they only show what a part of the work costs.
"""

import contextlib
import hashlib
import json
import re
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from measure import Failed, Step, output_of, size_of

# The path of the tree in the image.
PLACE = "/app"
OPENSSL = ["openssl", "sha256"]
VERSION = re.compile(r"\d+\.\d+[^\s,]*")
READY_TIMEOUT_S = 60
REGISTRY_READY = re.compile(r"serving on port (\d+)")


@dataclass(frozen=True)
class Work:
    """What to pack, and a directory for all that a peer writes."""

    tree: Path
    scratch: Path

    @property
    def target(self) -> Path:
        return self.scratch / "out"


class Peer:
    """`floor`: does less than make an image. `keeps`: remembers what it did, and gets the same scratch directory."""

    floor = False
    keeps = False
    needs = ()
    note = ""
    version_command = None
    # A process that serves the commands.
    daemon = None

    def __init__(self, name: str):
        self.name = name

    def missing(self) -> list:
        return [command for command in self.needs if not shutil.which(command)]

    def version(self) -> str:
        found = VERSION.search(output_of(self.version_command or [self.needs[-1], "--version"]))
        return found[0] if found else "unknown"

    def environment(self, work: Work) -> dict:
        return {}

    def ready(self, work: Work):
        """A context in which `steps` can run; what it does is not measured."""
        return contextlib.nullcontext()

    def steps(self, work: Work) -> list:
        raise NotImplementedError

    def output_bytes(self, work: Work) -> int:
        return size_of(work.target)

    def clear(self, work: Work):
        shutil.rmtree(work.scratch, ignore_errors=True)


def tar(work: Work) -> list:
    return ["tar", "-C", work.tree, "-cf", "-", "."]


class Pipe(Peer):
    """`tar` into a compressor into openssl: no image, and nothing is written."""

    floor = True

    def __init__(self, name: str, *filters: list):
        super().__init__(name)
        self.filters = filters
        self.needs = ("openssl", "tar", *(command[0] for command in filters))
        self.note = "a hash of a compressed tar: no image, nothing is written" if filters else "a hash of a tar"
        self.sizes = {}

    def steps(self, work: Work) -> list:
        return [Step([tar(work), *self.filters, OPENSSL])]

    def output_bytes(self, work: Work) -> int:
        """Counted once for each state of a tree, outside of what is measured."""
        if work.tree not in self.sizes:
            shell = " | ".join(" ".join(map(str, command)) for command in [tar(work), *self.filters, ["wc", "-c"]])
            self.sizes[work.tree] = int(output_of(["sh", "-c", shell]))
        return self.sizes[work.tree]


class StatWalk(Peer):
    """Two processes that ask for the stat of every file, each in half of the tree; they print nothing."""

    floor = True
    needs = ("find",)
    note = "asks for the stat of every file and reads none"

    def steps(self, work: Work) -> list:
        parts = sorted(path for path in work.tree.iterdir())
        # No file is that large, but find must read the status.
        return [Step([["find", *parts[half::2], "-size", "+1000000G"] for half in (0, 1)], piped=False)]

    def output_bytes(self, work: Work) -> int:
        return 0


class Ocitect(Peer):
    keeps = True
    note = "walks, checks what it packs, writes a layout"

    def __init__(self, name: str, binary: Path, compression: str = "gzip", platforms: tuple = ("linux/amd64",)):
        super().__init__(name)
        self.needs = (str(binary),)
        self.image = {"name": "localhost/peers", "base": "scratch", "platforms": list(platforms),
                      "compression": compression}

    def environment(self, work: Work) -> dict:
        return {"OCITECT_CACHE_DIR": str(work.scratch / "cache")}

    def ready(self, work: Work):
        write_spec(work, self.image)
        return contextlib.nullcontext()

    def steps(self, work: Work) -> list:
        return [Step([self.build(work, "-o", f"oci:{work.target}")])]

    def output_bytes(self, work: Work) -> int:
        """Of the image alone: a layout that is used again holds the layers of before, too."""
        return sum(image_sizes(work.target))

    def build(self, work: Work, *options: str) -> list:
        return [self.needs[0], "build", "--progress", "none", *options, work.scratch]


def image_sizes(layout: Path) -> list:
    """Of the blobs that the index reaches, each once."""
    blob = lambda descriptor: json.loads((layout / "blobs" / descriptor["digest"].replace(":", "/")).read_text())
    found = {}

    def add(descriptor: dict):
        found[descriptor["digest"]] = descriptor["size"]
        if ".manifest." in descriptor["mediaType"] or ".index." in descriptor["mediaType"]:
            document = blob(descriptor)
            parts = document.get("manifests") or [document["config"], *document["layers"]]
            for part in parts:
                add(part)

    for descriptor in json.loads((layout / "index.json").read_text())["manifests"]:
        add(descriptor)
    return list(found.values())


def write_spec(work: Work, image: dict):
    """Findings are allowed: a tree alone is no program that starts. They are looked for all the same."""
    work.scratch.mkdir(parents=True, exist_ok=True)
    keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in image.items())
    layer = f'name = "tree"\nfiles = [{{ from = {json.dumps(str(work.tree))}, to = "{PLACE}" }}]\n'
    text = f'format = 1\n\n[image]\n{keys}\n[check]\nallow = ["*:/**"]\n\n[[layers]]\n{layer}'
    (work.scratch / "ocitect.toml").write_text(text)


class Umoci(Peer):
    needs = ("umoci",)
    note = "`insert` walks the tree and writes a layout"

    def steps(self, work: Work) -> list:
        image = f"--image={work.target}:t"
        return [Step([command]) for command in (
            ["umoci", "init", f"--layout={work.target}"], ["umoci", "new", image],
            ["umoci", "insert", image, work.tree, PLACE],
        )]


class Crane(Peer):
    needs = ("tar", "crane")
    version_command = ["crane", "version"]
    note = "is handed a tar through a pipe, sends the layer to its own registry in memory, whose work is not counted"

    @contextlib.contextmanager
    def ready(self, work: Work):
        command = ["crane", "registry", "serve", "--address", "127.0.0.1:0"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, start_new_session=True) as registry:
            try:
                found = REGISTRY_READY.search(registry.stderr.readline())
                self.reference = f"127.0.0.1:{found[1]}/peers:t"
                # Its log must not fill the pipe.
                threading.Thread(target=registry.stderr.read, daemon=True).start()
                yield
                manifest = json.loads(output_of(["crane", "manifest", self.reference]))
                self.size_bytes = sum(layer["size"] for layer in manifest["layers"])
            finally:
                registry.terminate()

    def steps(self, work: Work) -> list:
        append = ["crane", "append", "--oci-empty-base", "--new_layer", "-", "--new_tag", self.reference]
        return [Step([tar(work), append])]

    def output_bytes(self, work: Work) -> int:
        return self.size_bytes


class CraneFile(Peer):
    needs = ("tar", "crane")
    version_command = ["crane", "version"]
    note = "is handed a tar that is written before, writes an archive"

    def steps(self, work: Work) -> list:
        file = work.scratch / "layer.tar"
        append = ["crane", "append", "--oci-empty-base", "--new_layer", file, "--new_tag", "localhost/peers:t",
                  "--output", work.target / "image.tar"]
        return [Step([["tar", "-C", work.tree, "-cf", file, "."]]), Step([append])]

    def ready(self, work: Work):
        work.target.mkdir()
        return contextlib.nullcontext()


class Buildah(Peer):
    needs = ("buildah",)
    note = "copies the tree into a storage, then commits it into a layout"

    def command(self, work: Work) -> list:
        return ["buildah", "--root", work.scratch / "storage", "--runroot", work.scratch / "run"]

    def steps(self, work: Work) -> list:
        buildah = self.command(work)
        commit = [*buildah, "commit", "--quiet", "--disable-compression=false", "t", f"oci:{work.target}:t"]
        return [Step([[*buildah, *command]]) for command in (
            ["from", "--name=t", "scratch"], ["copy", "--quiet", "t", work.tree, PLACE])] + [Step([commit])]

    def clear(self, work: Work):
        if work.scratch.exists():
            output_of([*self.command(work), "rm", "--all"])
            output_of(["umount", work.scratch / "storage" / "overlay"])
        super().clear(work)


class BuildKit(Peer):
    keeps = True
    needs = ("buildctl", "buildkitd")
    note = "copies the tree to a daemon, which is running already, makes a snapshot of it, writes an archive"

    @contextlib.contextmanager
    def ready(self, work: Work):
        work.target.mkdir(exist_ok=True)
        (work.scratch / "Dockerfile").write_text(f"FROM scratch\nCOPY . {PLACE}\n")
        command = ["buildkitd", "--root", work.scratch / "root", "--addr", self.address(work), "--oci-worker-net=host",
                   "--containerd-worker=false"]
        with (work.scratch / "log").open("wb") as log, subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True) as process:
            try:
                self.wait(work)
                self.daemon = process.pid
                yield
            finally:
                process.terminate()

    def address(self, work: Work) -> str:
        return f"unix://{work.scratch}/socket"

    def wait(self, work: Work):
        deadline = time.monotonic() + READY_TIMEOUT_S
        while "Platforms" not in output_of(["buildctl", "--addr", self.address(work), "debug", "workers", "-v"]):
            if time.monotonic() > deadline:
                raise Failed(f"buildkitd was not ready after {READY_TIMEOUT_S} s")
            time.sleep(0.05)

    def steps(self, work: Work) -> list:
        return [Step([[
            "buildctl", "--addr", self.address(work), "build", "--frontend=dockerfile.v0", "--progress=plain",
            f"--local=context={work.tree}", f"--local=dockerfile={work.scratch}",
            f"--output=type=oci,dest={work.target}/image.tar",
        ]])]


class Skopeo(Peer):
    """Only compresses and hashes: the tar is there, in a layout."""

    floor = True
    needs = ("skopeo",)
    note = "is handed a layout with the tar as a layer, compresses that into another layout"

    def ready(self, work: Work):
        write_uncompressed_layout(work.tree, work.scratch / "in")
        return contextlib.nullcontext()

    def steps(self, work: Work) -> list:
        source, target = (f"oci:{work.scratch / name}:t" for name in ("in", "out"))
        return [Step([["skopeo", "--insecure-policy", "copy", "--quiet", source, target]])]


def write_uncompressed_layout(tree: Path, layout: Path):
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    oci = "application/vnd.oci.image"

    def add(media_type: str, data) -> dict:
        content = data if isinstance(data, Path) else blobs / "new"
        if content is not data:
            content.write_text(json.dumps(data))
        with content.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size_bytes = content.stat().st_size
        content.rename(blobs / digest)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size_bytes}

    subprocess.run(["tar", "-C", tree, "-cf", layout / "layer", "."], check=True)
    layer = add(f"{oci}.layer.v1.tar", layout / "layer")
    config = add(f"{oci}.config.v1+json", {
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}})
    manifest = add(f"{oci}.manifest.v1+json", {
        "schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json", "config": config, "layers": [layer]})
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "t"}
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))


FLOOR = Pipe("tar | sha256")
PIGZ = Pipe("tar | pigz -6", ["pigz", "-6"])
ZSTD = Pipe("tar | zstd -3", ["zstd", "-3", "-T2", "-c", "-q"])
STAT_WALK = StatWalk("stat walk")
CRANE = Crane("crane (pipe)")
PEERS = [
    FLOOR, PIGZ, Pipe("tar | gzip -6", ["gzip", "-6"]), Pipe("tar | igzip -1", ["igzip", "-1", "-c"]), ZSTD,
    CRANE, CraneFile("crane (file)"), Umoci("umoci"), Buildah("buildah"), BuildKit("BuildKit"),
    Skopeo("skopeo"),
]
