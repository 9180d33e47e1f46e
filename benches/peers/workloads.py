"""The workloads: real packages, pinned by version and hash, and generated files that are the same on every machine.

    python/   a site-packages tree of wheels for CPython 3.11 on x86-64, as pip installs them; python/requirements.txt
    node/     a node_modules tree, as npm installs it; node/package-lock.json
    small/    50,000 files of 0.5 to 4 KiB that look like source code, in 1,250 nested directories
    half/     one file of 1 GiB: by turns 64 KiB of text and 64 KiB of noise

Each is made in a directory beside its place and moved there when it is whole; what is there is not made again.
"""

import hashlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

SMALL_FILES = 50_000
HALF_SIZE_BYTES = GIB
HALF_TURN_BYTES = 64 * KIB
HALF_FILE = "half.bin"

# The expected output of the generators. It detects a Python with other random numbers.
DIGESTS = {
    "small": "4a69651dfbfb6143170a6dea1bd33b09ee34aca7c22cc7ca7dd7bc264ca561b6",
    "half": "b5ccc9bece3541528f9401afbd7d145a1e1acbeaf27cdeaa6216e7a1b1cdb577",
}


def make_python(directory: Path):
    platforms = [f"--platform=manylinux{tag}_x86_64" for tag in ("2014", "_2_17", "_2_28")]
    run(["pip3", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
         "--no-compile", "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none",
         *platforms, f"--target={directory}", f"--requirement={HERE / 'python' / 'requirements.txt'}"])


def make_node(directory: Path):
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, directory)
    run(["npm", "ci", "--silent", "--ignore-scripts", f"--prefix={directory}"])


def make_small(directory: Path):
    check("small", write_small_files(directory, SMALL_FILES))


def make_half(directory: Path):
    check("half", write_half_random(directory / HALF_FILE, HALF_SIZE_BYTES))


MAKERS = {"python": make_python, "node": make_node, "small": make_small, "half": make_half}


def make(name: str, parent: Path) -> Path:
    """The directory of a workload, made where it is lacking."""
    return make_once(parent / name, MAKERS[name])


def make_once(target: Path, maker) -> Path:
    if not target.is_dir():
        say(f"making {target}")
        partial = target.with_name(f"partial-{target.name}-{os.getpid()}")
        try:
            partial.mkdir(parents=True)
            maker(partial)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def make_counted(count: int, parent: Path) -> Path:
    """So many small files; a larger tree holds the smaller ones."""
    return make_once(parent / f"files-{count}", lambda directory: write_small_files(directory, count))


def make_sized(size_bytes: int, parent: Path) -> Path:
    """One half-random file of that size."""
    name = f"bytes-{size_bytes // MIB}-mib"
    return make_once(parent / name, lambda directory: write_half_random(directory / HALF_FILE, size_bytes))


def write_small_files(directory: Path, count: int) -> str:
    lines = text_lines()
    digest = hashlib.sha256()
    for number in range(count):
        path = Path(f"package-{number // 2000:03}", f"module-{number // 200 % 10}", f"part-{number // 40 % 5}")
        if number % 40 == 0:
            (directory / path).mkdir(parents=True)
        path /= f"{number:06}.js"
        content = small_text(lines, number)
        (directory / path).write_bytes(content)
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def small_text(lines: list, number: int) -> bytes:
    """Between 0.5 and 4 KiB, in whole lines but for the last."""
    draw = random.Random(number)
    size_bytes = 512 + int(draw.random() * 3584)
    # A line has some 35 bytes, so this many are always enough.
    chosen = draw.choices(lines, k=size_bytes // 16)
    return f"// Part {number} of {draw.random()}.\n{''.join(chosen)}".encode()[:size_bytes]


def write_half_random(path: Path, size_bytes: int) -> str:
    lines = text_lines()
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for turn in range(size_bytes // (2 * HALF_TURN_BYTES)):
            for part in (large_text(lines, turn), noise(turn)):
                file.write(part)
                digest.update(part)
    return digest.hexdigest()


def large_text(lines: list, turn: int) -> bytes:
    draw = random.Random(turn)
    count = HALF_TURN_BYTES // 24
    numbered = (f"{draw.getrandbits(24):06x} {line}" for line in draw.choices(lines, k=count))
    return "".join(numbered).encode()[:HALF_TURN_BYTES]


def noise(turn: int) -> bytes:
    return hashlib.shake_128(turn.to_bytes(8, "little")).digest(HALF_TURN_BYTES)


def text_lines() -> list:
    """8,192 different lines that look like source code."""
    draw = random.Random("lines")
    syllables = [a + b for a in "bcdfghlmnprst" for b in ("a", "e", "i", "o", "er", "al", "un")]
    words = ["".join(draw.choices(syllables, k=draw.choice((2, 2, 3, 4)))) for _ in range(3000)]
    forms = [
        "const {} = require('./{}');\n", "export function {}({}, {}) {{\n", "  return {}.{}({});\n", "}}\n\n",
        "  if ({} === {}.{}) {{\n", "    {}[{}] = {} + {};\n", "  }}\n", "  // The {} of {} is {} when {} was {}.\n",
        "  let {} = [{}, {}, {}];\n", "    throw new TypeError(`{} is not {}`);\n", "  await {}.{}({{ {}: {} }});\n",
    ]
    # A few words make up many of the names, as in real code.
    name = lambda: words[int(draw.random() ** 3 * len(words))]
    return [form.format(*(name() for _ in range(5))) for form in draw.choices(forms, k=8192)]


def check(name: str, found: str):
    if found != DIGESTS[name]:
        sys.exit(f"peers: the generator of {name} gave {found} instead of {DIGESTS[name]}")


def run(command: list):
    # The output of npm and pip goes to standard error, so that it does not mix with the tables on standard output.
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    if done.returncode != 0:
        sys.exit(f"peers: {command[0]} could not fetch a workload")


def say(text: str):
    print(f"peers: {text}", file=sys.stderr, flush=True)
