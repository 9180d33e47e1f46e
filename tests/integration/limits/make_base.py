"""Makes a large base image as a layout with the tag `latest`, for linux/amd64 and linux/arm64, by Python alone.

    make_base.py LAYOUT entries|window|links|link-bomb

`entries`: 100,000 small files in 200 directories, gzip, other files for each platform.
`window`: a few large files, zstd with a window of 128 MiB.
`links`: 15,000 links with targets of 4,000 bytes, gzip. `link-bomb`: 40,000 of them.
"""

import gzip
import hashlib
import io
import json
import random
import subprocess
import sys
import tarfile
from pathlib import Path

FILES = 100_000
FILES_PER_DIRECTORY = 500
LARGE_FILES = 8
LINKS = 15_000
BOMB_LINKS = 40_000
TARGET_BYTES = 4000
MIB = 1 << 20
# The file is longer than the window, so that the whole window is used.
LARGE_FILE_BYTES = 24 * MIB
# zstd writes a window of 2^27 bytes if it does not know the size of its input.
ZSTD = ["zstd", "--quiet", "-1", "--long=27", "--stdout"]
OCI = "application/vnd.oci.image"


def entries_layer(platform: str) -> bytes:
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        add(tar, "srv", None)
        for number in range(FILES):
            directory = f"srv/dir{number // FILES_PER_DIRECTORY:04}"
            if number % FILES_PER_DIRECTORY == 0:
                add(tar, directory, None)
            add(tar, f"{directory}/file-{number:06}.txt", f"{platform} {number}\n".encode())
    return tar_bytes.getvalue()


def links_layer(platform: str, count: int) -> bytes:
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(count):
            entry = tarfile.TarInfo(f"{platform}-{number:06}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "t" * TARGET_BYTES
            tar.addfile(entry)
    return tar_bytes.getvalue()


def window_layer(platform: str) -> bytes:
    noise = random.Random(platform).randbytes(MIB)
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(LARGE_FILES):
            add(tar, f"large-{number}", noise * (LARGE_FILE_BYTES // MIB))
    return tar_bytes.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes | None):
    """A file, or a directory where there is no content."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = (tarfile.DIRTYPE, 0o755) if content is None else (tarfile.REGTYPE, 0o644)
    entry.size = len(content or b"")
    tar.addfile(entry, io.BytesIO(content or b""))


def make(layout: Path, kind: str):
    (layout / "blobs/sha256").mkdir(parents=True)
    manifests = []
    for architecture in ("amd64", "arm64"):
        if kind == "entries":
            tar_bytes, suffix = entries_layer(architecture), "gzip"
            stored = gzip.compress(tar_bytes, 1, mtime=0)
        elif kind in ("links", "link-bomb"):
            tar_bytes, suffix = links_layer(architecture, LINKS if kind == "links" else BOMB_LINKS), "gzip"
            stored = gzip.compress(tar_bytes, 1, mtime=0)
        else:
            tar_bytes, suffix = window_layer(architecture), "zstd"
            stored = subprocess.run(ZSTD, input=tar_bytes, stdout=subprocess.PIPE, check=True).stdout
        platform = {"os": "linux", "architecture": architecture}
        diff_ids = [f"sha256:{hashlib.sha256(tar_bytes).hexdigest()}"]
        config = {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": document(layout, f"{OCI}.config.v1+json", config),
            "layers": [blob(layout, f"{OCI}.layer.v1.tar+{suffix}", stored)],
        }
        manifests.append({**document(layout, f"{OCI}.manifest.v1+json", manifest), "platform": platform})
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": manifests}
    top = document(layout, f"{OCI}.index.v1+json", index)
    top["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))


def document(layout: Path, media_type: str, value: dict) -> dict:
    return blob(layout, media_type, json.dumps(value).encode())


def blob(layout: Path, media_type: str, stored: bytes) -> dict:
    digest = hashlib.sha256(stored).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(stored)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(stored)}


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("entries", "window", "links", "link-bomb"):
        sys.exit(__doc__)
    make(Path(sys.argv[1]), sys.argv[2])
