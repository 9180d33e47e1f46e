"""Runs commands and measures them: wall time, time of the processors, peak memory.

GNU time starts each command, so that the memory of this Python is not taken for the command's: a process passes the
peak of the one that forked it through `exec`.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

GNU_TIME = "/usr/bin/time"
# The slowest peer takes a minute for the largest workload.
TIMEOUT_S = 1200
# How much of a failed command's output is shown.
SHOWN_BYTES = 2000


class Failed(Exception):
    """A command did not end with 0."""


@dataclass(frozen=True)
class Step:
    """Commands that run at the same time: a pipeline, or side by side."""

    commands: list
    piped: bool = True


@dataclass(frozen=True)
class Sample:
    """Peak memory is the sum of the peaks of the processes of a step, and the largest such sum of all steps."""

    wall_s: float
    user_s: float
    sys_s: float
    peak_bytes: int


def measure(steps: list, directory: Path, environment: dict, daemon: int = None) -> Sample:
    """Runs one step after the other; what they write to standard output is thrown away. What the process `daemon`
    uses meanwhile is added."""
    before = daemon_usage(daemon, forget_peak=True)
    samples = [measure_step(step, directory, environment) for step in steps]
    after = daemon_usage(daemon)
    total = lambda name: sum(getattr(sample, name) for sample in samples)
    return Sample(
        total("wall_s"), total("user_s") + after.user_s - before.user_s, total("sys_s") + after.sys_s - before.sys_s,
        max(sample.peak_bytes for sample in samples) + after.peak_bytes)


def daemon_usage(pid: int, forget_peak: bool = False) -> Sample:
    """Since it began; the peak of memory since it was last forgotten. Nothing without a daemon."""
    if pid is None:
        return Sample(0, 0, 0, 0)
    directory = Path(f"/proc/{pid}")
    if forget_peak:
        # 5 resets the peak, proc(5).
        (directory / "clear_refs").write_text("5")
    # The fields after the name, which may contain anything and ends at the last parenthesis.
    fields = (directory / "stat").read_text().rpartition(")")[2].split()
    user_s, sys_s = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:13])
    (peak,) = (line.split()[1] for line in (directory / "status").read_text().splitlines() if line[:6] == "VmHWM:")
    return Sample(0, user_s, sys_s, int(peak) * 1024)


def measure_step(step: Step, directory: Path, environment: dict) -> Sample:
    with tempfile.TemporaryDirectory(prefix="peers-") as name, open(f"{name}/said", "w+b") as said:
        started = time.monotonic()
        processes = start(step, directory, environment, Path(name), said)
        try:
            usages = wait_for_all(processes)
        finally:
            end(processes)
        wall_s = time.monotonic() - started
        if any(process.returncode != 0 for process in processes):
            raise Failed(f"{describe(step)}: {tail(said)}")
        peaks = [int(path.read_text().split()[-1]) * 1024 for path in Path(name).glob("peak-*")]
    user_s, sys_s = (sum(getattr(usage, field) for usage in usages) for field in ("ru_utime", "ru_stime"))
    return Sample(wall_s, user_s, sys_s, sum(peaks))


def start(step: Step, directory: Path, environment: dict, notes: Path, said) -> list:
    processes, source = [], subprocess.DEVNULL
    for number, command in enumerate(step.commands):
        last = not step.piped or number == len(step.commands) - 1
        processes.append(subprocess.Popen(
            [GNU_TIME, "--quiet", "--format=%M", f"--output={notes}/peak-{number}", *map(str, command)],
            cwd=directory, env=environment, stdin=source, stderr=said,
            stdout=subprocess.DEVNULL if last else subprocess.PIPE, start_new_session=True,
        ))
        if source is not subprocess.DEVNULL:
            source.close()
        source = subprocess.DEVNULL if last else processes[-1].stdout
    return processes


def wait_for_all(processes: list) -> list:
    """The resources that each used, with its children."""
    timer = threading.Timer(TIMEOUT_S, end, [processes])
    timer.start()
    usages = []
    try:
        for process in processes:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            usages.append(usage)
    finally:
        timer.cancel()
    return usages


def end(processes: list):
    """Kills what still runs; every process leads a group of its own."""
    for process in processes:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def describe(step: Step) -> str:
    return (" | " if step.piped else " & ").join(" ".join(map(str, command)) for command in step.commands)


def tail(said) -> str:
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - SHOWN_BYTES))
    return said.read().decode(errors="replace").strip()


def output_of(command: list) -> str:
    """What a command writes, standard error included; nothing where it cannot be run."""
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
    except OSError:
        return ""
    return done.stdout.decode(errors="replace").strip()


def size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
