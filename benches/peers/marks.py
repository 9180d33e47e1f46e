"""The marks that ocitect is held to: ratios of medians within one run of the benchmark."""

from dataclasses import dataclass

from report import Results, escape

OURS = "ocitect"
SHA, PIGZ, ZSTD = "tar | sha256", "tar | pigz -6", "tar | zstd -3"
# The peers that make a complete image, like ocitect.
FLOORS = (SHA, PIGZ, ZSTD, "tar | gzip -6", "tar | igzip -1", "stat walk", "skopeo")
# Tolerance for the cost of starting, and for the next cache level of the processor.
LINEAR_BOUND = 1.5
MIB = 2**20
# Promised: so much at most, and so much more for each entry (its paths, which the promise leaves aside, are some 100
# bytes here) and for each of two threads (three blocks and tables).
MEMORY_BYTES, ENTRY_BYTES, THREADS_BYTES = 64 * MIB, 512 + 100, 2 * (3 * 2 + 3) * MIB


@dataclass(frozen=True)
class Mark:
    """`found` and `bound` are in the same unit; None: could not be measured."""

    text: str
    found: float
    bound: float
    spread: str = ""
    unit: str = ""

    @property
    def verdict(self) -> str:
        if self.found is None:
            return "not measured"
        return "met" if self.found <= self.bound else "MISSED"


def all_marks(results: Results) -> list:
    ask = Marks(results)
    fastest = ask.fastest("cold", "python")
    fastest_again = ask.fastest("again", "small")
    return [
        ask.ratio("python cold against tar | pigz -6", ("cold", "python"), OURS, PIGZ, 0.4),
        ask.size("python cold: size against tar | pigz -6", ("cold", "python"), OURS, PIGZ, 1.01),
        ask.ratio(f"python cold against the fastest peer ({fastest})", ("cold", "python"), OURS, fastest, 0.5),
        ask.size(f"python cold: size against the same ({fastest})", ("cold", "python"), OURS, fastest, 1.0),
        ask.ratio("python cold with zstd against tar | zstd -3 -T2", ("cold", "python"), "ocitect zstd", ZSTD, 1.3),
        ask.ratio("50,000 files cold against crane's pipe", ("cold", "small"), OURS, "crane (pipe)", 1.0),
        ask.ratio("half-random 1 GiB cold against tar | pigz -6", ("cold", "half"), OURS, PIGZ, 1 / 3),
        ask.wall("50,000 files again", ("again", "small"), OURS, 0.3),
        ask.ratio("50,000 files again against a two-threaded stat walk", ("again", "small"), OURS, "stat walk", 4.0),
        ask.ratio(f"50,000 files again against the fastest peer ({fastest_again})", ("again", "small"), OURS,
                  fastest_again, 0.1),
        ask.ratio("one of 50,000 files changed against tar | openssl sha256", ("changed", "small"), OURS, SHA, 2.0),
        ask.ratio("1 MiB of 1 GiB changed against tar | openssl sha256", ("changed", "half"), OURS, SHA, 2.0),
        ask.ratio("cold machine, warm registry against a cold push", ("registry", "python"), "cache-from", "cold push",
                  0.35),
        ask.layers_sent("cold machine, warm registry: layers sent"),
        ask.ratio("eight platforms against one", ("platforms", "python"), "eight platforms", "one platform", 1.2),
        ask.linear("200,000 files against 10,000, per file", "files-200000", "files-10000", 20),
        ask.linear("4 GiB against 100 MiB, per byte", "bytes-4096", "bytes-100", 40.96),
        ask.memory("memory at 200,000 files", "files-200000", 200_000),
        ask.memory("memory at 4 GiB", "bytes-4096", 1),
        ask.wall("start-up for --version", ("start-up", "--version"), OURS, 0.010),
        ask.wall("start-up for a spec error", ("start-up", "spec error"), OURS, 0.010),
    ]


class Marks:
    def __init__(self, results: Results):
        self.results = results

    def fastest(self, scenario: str, workload: str) -> str:
        """The fastest that makes an image; nobody where none was measured."""
        peers = [peer for peer in self.results.peers(scenario, workload)
                 if peer not in FLOORS and not peer.startswith(OURS)]
        wall_s = lambda peer: self.results.figures(scenario, workload, peer).wall_s
        return min(peers, key=wall_s, default="none was measured")

    def pair(self, at: tuple, ours: str, theirs: str) -> tuple:
        return self.results.figures(*at, ours), self.results.figures(*at, theirs)

    def ratio(self, text: str, at: tuple, ours: str, theirs: str, bound: float) -> Mark:
        """Of medians; the spread is that of the ratios within each round."""
        mine, other = self.pair(at, ours, theirs)
        if not mine or not other:
            return Mark(text, None, bound)
        rounds = [a / b for a, b in zip(mine.walls_s, other.walls_s)]
        return Mark(text, mine.wall_s / other.wall_s, bound, f"{min(rounds):.2f} to {max(rounds):.2f}")

    def size(self, text: str, at: tuple, ours: str, theirs: str, bound: float) -> Mark:
        mine, other = self.pair(at, ours, theirs)
        return Mark(text, mine.output_bytes / other.output_bytes if mine and other else None, bound)

    def wall(self, text: str, at: tuple, ours: str, bound_s: float) -> Mark:
        found = self.results.figures(*at, ours)
        if not found:
            return Mark(text, None, bound_s, unit=" s")
        return Mark(text, found.wall_s, bound_s, f"{min(found.walls_s):.3f} to {max(found.walls_s):.3f}", " s")

    def layers_sent(self, text: str) -> Mark:
        samples = self.results.find(scenario="registry", peer="cache-from")
        return Mark(text, max((sample["layers_sent"] for sample in samples), default=None), 0)

    def linear(self, text: str, large: str, small: str, factor: float) -> Mark:
        sizes = [self.results.figures("linear", name, OURS) for name in (large, small)]
        found = sizes[0].wall_s / sizes[1].wall_s / factor if all(sizes) else None
        return Mark(text, found, LINEAR_BOUND)

    def memory(self, text: str, name: str, entries: int) -> Mark:
        figures = self.results.figures("linear", name, OURS)
        return Mark(text, figures.peak_bytes / MIB if figures else None, promised_mib(entries), unit=" MiB")


def promised_mib(entries: int) -> float:
    return (MEMORY_BYTES + THREADS_BYTES + entries * ENTRY_BYTES) / MIB


def markdown(results: Results) -> str:
    head = "| mark | found | rounds | at most | |\n|---|--:|--:|--:|---|"
    return "\n".join([head, *(row(mark) for mark in all_marks(results))]) + "\n"


def row(mark: Mark) -> str:
    number = lambda value: "" if value is None else f"{value:.3f}".rstrip("0").rstrip(".") + mark.unit
    return f"| {escape(mark.text)} | {number(mark.found)} | {mark.spread} | {number(mark.bound)} | {mark.verdict} |"
