"""One run of the benchmark: who takes part, in which turns, and what is written down."""

import datetime
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from measure import Failed, Sample, measure
from peers import Ocitect, Peer, Work


@dataclass
class Bench:
    """`scratch` holds all that peers write, and is cleared by and by."""

    binary: Path
    workloads: Path
    scratch: Path
    runs: int
    peers: list
    only: set
    records: list

    def has(self, workload: str) -> bool:
        return not self.only or workload in self.only

    def ocitect(self, name: str = "ocitect", **options) -> Ocitect:
        return Ocitect(name, self.binary, **options)

    def whole(self) -> list:
        """The peers that make an image by themselves."""
        return [peer for peer in self.peers if not peer.floor]

    def record(self, scenario: str, workload: str, peer: str, run: int, sample: Sample, output_bytes: int, **more):
        found = {"scenario": scenario, "workload": workload, "peer": peer, "run": run, **asdict(sample),
                 "output_bytes": output_bytes, **more}
        self.records.append(found)
        say(f"{scenario} {workload} {peer}: {sample.wall_s:.3f} s, {sample.user_s + sample.sys_s:.3f} s of processors, "
            f"{sample.peak_bytes >> 20} MiB, {output_bytes / 1e6:.1f} MB out")

    def tell(self, scenario: str, text: str):
        """Something that could not be measured."""
        self.records.append({"scenario": scenario, "missing": text})
        say(f"{scenario}: {text}")

    def rounds(self, scenario: str, workload: str, tree: Path, peers: list, warm: bool = False,
               before=lambda run: None, runs: int = None):
        """Every peer in turn, several times, so that noise hits all alike. Cold: each starts with nothing. Warm: those
        that remember have done the same twice before, since what is as young as a run may be read again."""
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="round-") as name:
            works = {peer: Work(tree, Path(name) / str(number)) for number, peer in enumerate(peers)}
            try:
                self.take_turns(scenario, workload, works, warm, before, runs or self.runs)
            finally:
                # Also after an interruption: storages of peers may be mounted.
                for peer, work in works.items():
                    peer.clear(work)

    def take_turns(self, scenario: str, workload: str, works: dict, warm: bool, before, runs: int):
        kept = [peer for peer in works if warm and peer.keeps]
        for peer in kept * 2:
            self.once(peer, works[peer], clear=False)
        failed = set()
        for run in range(runs):
            before(run)
            for peer in [peer for peer in works if peer not in failed]:
                try:
                    sample, size_bytes = self.once(peer, works[peer], clear=peer not in kept)
                    self.record(scenario, workload, peer.name, run, sample, size_bytes)
                except Failed as error:
                    failed.add(peer)
                    self.tell(scenario, f"{peer.name} failed on {workload}: {error}")

    def once(self, peer: Peer, work: Work, clear: bool) -> tuple:
        if clear:
            peer.clear(work)
        work.scratch.mkdir(parents=True, exist_ok=True)
        with peer.ready(work):
            # Pending writes of other peers are flushed now, so that they do not affect the next figure.
            os.sync()
            sample = measure(peer.steps(work), work.scratch, {**os.environ, **peer.environment(work)}, peer.daemon)
        size_bytes = peer.output_bytes(work)
        if clear:
            peer.clear(work)
        return sample, size_bytes


def machine(bench: Bench, peers: list) -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "date": datetime.date.today().isoformat(), "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(), "architecture": platform.machine(), "kernel": platform.release(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "versions": {peer.name: peer.version() for peer in [bench.ocitect(), *peers]},
        "notes": {peer.name: peer.note for peer in [bench.ocitect(), *peers]},
    }


def write_records(path: Path, records: list):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def read_records(path: Path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


def say(text: str):
    print(f"peers: {text}", file=sys.stderr, flush=True)
