"""What is measured. Each function is a scenario; the order is that of the tables."""

import os
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import stack
import workloads
from bench import Bench
from measure import Failed, Step, measure, output_of
from peers import FLOOR, STAT_WALK, Work, write_spec
from workloads import KIB, MIB

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from registries import Registry

COUNTS = (1_000, 10_000, 50_000, 100_000, 200_000)
SIZES_BYTES = (10 * MIB, 100 * MIB, 1024 * MIB, 4096 * MIB)
# The largest takes long, and a few runs give the same result.
LINEAR_RUNS = 3
STARTS = 21
CHANGED_BYTES = MIB
EIGHT = ("linux/386", "linux/amd64", "linux/arm/v7", "linux/arm64", "linux/mips64le", "linux/ppc64le",
         "linux/riscv64", "linux/s390x")
LAYER_SENT = re.compile(r'"PUT /v2/\S+[?&]digest=(\S+) HTTP')


def cold(bench: Bench):
    """Nothing is known: an empty cache and no output yet."""
    for name in filter(bench.has, workloads.MAKERS):
        entrants = [bench.ocitect(), bench.ocitect("ocitect zstd", compression="zstd"), *bench.peers]
        bench.rounds("cold", name, workloads.make(name, bench.workloads), entrants)


def again(bench: Bench):
    """The same command with nothing changed."""
    for name in filter(bench.has, ("small", "python")):
        entrants = [bench.ocitect(), STAT_WALK, *bench.whole()]
        bench.rounds("again", name, workloads.make(name, bench.workloads), entrants, warm=True)


def changed(bench: Bench):
    """One small file of the 50,000 is written anew, and one megabyte of the 1 GiB file, before each round."""
    changes = {"small": change_file, "half": change_megabyte}
    floors = [peer for peer in bench.peers if peer is FLOOR]
    for name in filter(bench.has, changes):
        with copy_of(workloads.make(name, bench.workloads), bench.scratch) as tree:
            change = lambda run, change=changes[name], tree=tree: change(tree, run)
            entrants = [bench.ocitect(), *floors, *bench.whole()]
            bench.rounds("changed", name, tree, entrants, warm=True, before=change)


@contextmanager
def copy_of(tree: Path, parent: Path):
    """Of a tree that others share."""
    with tempfile.TemporaryDirectory(dir=parent, prefix="changed-") as name:
        yield shutil.copytree(tree, Path(name) / "tree", symlinks=True)


def change_file(tree: Path, run: int):
    files = sorted(tree.rglob("*.js"))
    with files[(run + 1) * 7919 % len(files)].open("a") as file:
        file.write(f"// Changed in run {run}.\n")


def change_megabyte(tree: Path, run: int):
    """Text and noise, as the file is made of; at a place that no block begins at."""
    lines = workloads.text_lines()
    count = CHANGED_BYTES // (2 * workloads.HALF_TURN_BYTES)
    # Seeds that the file itself does not use.
    turns = range(10**6 + run * count, 10**6 + (run + 1) * count)
    parts = [make for turn in turns for make in (
        workloads.large_text(lines, turn), workloads.noise(turn))]
    with (tree / workloads.HALF_FILE).open("r+b") as file:
        file.seek((100 + 90 * run) % 900 * MIB + 5 * KIB)
        file.write(b"".join(parts))


def platforms(bench: Bench):
    """Eight platforms that share their layer, against one."""
    if bench.has("python"):
        entrants = [bench.ocitect("one platform"), bench.ocitect("eight platforms", platforms=EIGHT)]
        bench.rounds("platforms", "python", workloads.make("python", bench.workloads), entrants)


def linear(bench: Bench):
    """Cold, over numbers of files and over sizes."""
    trees = {f"files-{count}": (workloads.make_counted, count) for count in COUNTS}
    trees |= {f"bytes-{size // MIB}": (workloads.make_sized, size) for size in SIZES_BYTES}
    for name, (make, amount) in trees.items():
        if bench.has("small" if name.startswith("files") else "half"):
            runs = min(LINEAR_RUNS, bench.runs)
            bench.rounds("linear", name, make(amount, bench.workloads), [bench.ocitect()], runs=runs)


def registry(bench: Bench):
    """Pushed into an empty repository by a machine that knows nothing; without and with an earlier image as cache."""
    if not bench.has("python"):
        return
    if not shutil.which("docker-registry"):
        return bench.tell("registry", "docker-registry is not on PATH")
    if "--cache-from" not in output_of([bench.binary, "build", "--help"]):
        bench.tell("registry", "this ocitect has no --cache-from")
    tree = workloads.make("python", bench.workloads)
    with tempfile.TemporaryDirectory(dir=bench.scratch, prefix="registry-") as name, running_registry(name) as server:
        earlier = f"{server.address}/earlier:t"
        push(bench, server, tree, "first", earlier)
        for run in range(bench.runs):
            ways = {"cold push": [], "cache-from": ["--cache-from", earlier]}
            for way, options in ways.items():
                reference = f"{server.address}/{way.replace(' ', '-')}-{run}:t"
                try:
                    sample, sent = push(bench, server, tree, f"{way} {run}", reference, *options)
                except Failed:
                    # An ocitect without the option; this was reported.
                    continue
                bench.record("registry", "python", way, run, sample, sent["bytes"], layers_sent=sent["layers"])


@contextmanager
def running_registry(directory: str):
    server = Registry("open", Path(directory))
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def push(bench: Bench, server: Registry, tree: Path, name: str, reference: str, *options: str) -> tuple:
    """Builds with an empty cache and pushes; gives the sample, and what was sent of layers."""
    ocitect = bench.ocitect()
    with tempfile.TemporaryDirectory(dir=bench.scratch, prefix="push-") as scratch:
        work = Work(tree, Path(scratch))
        write_spec(work, ocitect.image)
        begin = server.access_log.stat().st_size
        command = ocitect.build(work, "--push", "--tag", reference, *options)
        sample = measure([Step([command])], work.scratch, {**os.environ, **ocitect.environment(work)})
    return sample, sent_since(server, begin)


def sent_since(server: Registry, begin: int) -> dict:
    """Blobs that were uploaded, but configs, which are small."""
    with server.access_log.open() as log:
        log.seek(begin)
        digests = {found.replace("%3A", ":").split("&")[0] for found in LAYER_SENT.findall(log.read())}
    sizes = [blob_size(server, digest) for digest in digests]
    layers = [size for size in sizes if size > 64 * KIB]
    return {"layers": len(layers), "bytes": sum(layers)}


def blob_size(server: Registry, digest: str) -> int:
    value = digest.removeprefix("sha256:")
    path = server.storage / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"
    return path.stat().st_size


def stack_of_images(bench: Bench):
    """22 images on a common base: cold, unchanged, and after one of them changed."""
    if not bench.has("python"):
        return
    tree = stack.make_stack(bench.workloads)
    workspace = stack.Workspace("workspace", bench.binary)
    loop = stack.Loop("22 builds", bench.binary)
    podman = stack.PodmanLoop("podman")
    if podman.missing():
        bench.tell("stack", "podman is not on PATH")
    peers = [] if podman.missing() else [podman]
    bench.rounds("stack", "cold", tree, [stack.OneImage("one image", bench.binary), workspace, loop, *peers])
    bench.rounds("stack", "unchanged", tree, [workspace, loop], warm=True)
    with copy_of(tree, bench.scratch) as tree:
        bench.rounds("stack", "one changed", tree, [workspace, loop], warm=True,
                     before=lambda run: stack.change(tree, run))


def start_up(bench: Bench):
    """Until the version is told, and until a mistake in a spec is."""
    with tempfile.TemporaryDirectory(dir=bench.scratch, prefix="start-") as name:
        scratch = Path(name)
        (scratch / "ocitect.toml").write_text("format = 1\n[image]\nnam = 1\n")
        # An invalid spec gives an exit status other than 0, which `sh` ignores.
        wrong = ["sh", "-c", f"! {bench.binary} build --progress none {scratch}"]
        ways = {
            ("--version", "ocitect"): [bench.binary, "--version"], ("spec error", "ocitect"): wrong,
            ("nothing", "sh"): ["sh", "-c", "! false"],
        }
        environment = {**os.environ, "OCITECT_CACHE_DIR": str(scratch / "cache")}
        for run in range(STARTS):
            for (way, who), command in ways.items():
                bench.record("start-up", way, who, run, measure([Step([command])], scratch, environment), 0)


SCENARIOS = {"cold": cold, "again": again, "changed": changed, "registry": registry, "platforms": platforms,
             "linear": linear, "stack": stack_of_images, "start-up": start_up}
