"""Results as tables in Markdown, and what is asked of the results by tables, plots and marks alike."""

import statistics
from dataclasses import dataclass

TITLES = {
    "cold": "Cold: nothing is known yet", "again": "Again, with nothing changed",
    "changed": "One small file, or one megabyte of the 1 GiB file, changed",
    "registry": "Cold machine, pushed to a registry; output is what was sent of layers",
    "platforms": "Eight platforms with one shared layer", "linear": "Cost over number and size of files, cold",
    "stack": "A stack: a base and 21 images on it", "start-up": "Start-up",
}


@dataclass(frozen=True)
class Figures:
    """What several runs gave for one peer."""

    walls_s: list
    cpu_s: float
    peak_bytes: int
    output_bytes: int

    @property
    def wall_s(self) -> float:
        return statistics.median(self.walls_s)


class Results:
    def __init__(self, records: list):
        self.records = records
        self.machine = next((record["machine"] for record in records if "machine" in record), {})
        self.missing = [record for record in records if "missing" in record]
        self.samples = [record for record in records if "wall_s" in record]

    def workloads(self, scenario: str) -> list:
        return self.ordered("workload", scenario=scenario)

    def peers(self, scenario: str, workload: str) -> list:
        return self.ordered("peer", scenario=scenario, workload=workload)

    def ordered(self, field: str, **where) -> list:
        """Without repetitions, in the order of the runs."""
        return list(dict.fromkeys(sample[field] for sample in self.find(**where)))

    def find(self, **where) -> list:
        return [sample for sample in self.samples if all(sample[key] == value for key, value in where.items())]

    def figures(self, scenario: str, workload: str, peer: str):
        """None where nothing was measured."""
        samples = self.find(scenario=scenario, workload=workload, peer=peer)
        if not samples:
            return None
        return Figures(
            [sample["wall_s"] for sample in samples],
            statistics.median(sample["user_s"] + sample["sys_s"] for sample in samples),
            max(sample["peak_bytes"] for sample in samples),
            statistics.median(sample["output_bytes"] for sample in samples),
        )


def markdown(results: Results, marks: str) -> str:
    parts = [describe_machine(results.machine), f"### Marks\n\n{marks.rstrip()}"]
    for scenario in results.ordered("scenario"):
        parts.append(f"### {TITLES[scenario]}\n\n{table(results, scenario)}")
    lacking = [f"- {record['scenario']}: {record['missing']}" for record in results.missing]
    if lacking:
        parts.append("### Not measured\n\n" + "\n".join(dict.fromkeys(lacking)))
    return "\n\n".join(parts) + "\n"


def describe_machine(machine: dict) -> str:
    memory = machine["memory_bytes"] / 2**30
    versions = "".join(f"\n| {escape(name)} | {escape(version)} | {machine['notes'][name]} |"
                       for name, version in machine["versions"].items())
    return (f"Measured on {machine['date']}: {machine['cores']} virtual cores of {machine['processor']} "
            f"({machine['architecture']}), {memory:.0f} GiB of memory, Linux {machine['kernel'].split('-')[0]}.\n\n"
            f"| who | version | what it does |\n|---|---|---|{versions}")


def table(results: Results, scenario: str) -> str:
    head = ("| workload | who | wall: median | lowest to highest | processors: median | peak memory | output |\n"
            "|---|---|--:|--:|--:|--:|--:|")
    rows = [row(workload, peer, results.figures(scenario, workload, peer))
            for workload in results.workloads(scenario) for peer in results.peers(scenario, workload)]
    return "\n".join([head, *rows])


def row(workload: str, peer: str, figures: Figures) -> str:
    low, high = min(figures.walls_s), max(figures.walls_s)
    return (f"| {workload} | {escape(peer)} | {seconds(figures.wall_s)} | {seconds(low)} to {seconds(high)} | "
            f"{seconds(figures.cpu_s)} | {figures.peak_bytes / 2**20:.0f} MiB | {figures.output_bytes / 1e6:.1f} MB |")


def escape(text: str) -> str:
    return text.replace("|", "&#124;")


def seconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value:.2f} s"
