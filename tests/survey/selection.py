"""What is chosen: the lines of selection.tsv, the set and the kind of break that follow from a line's place."""

import dataclasses
from pathlib import Path

SELECTION = Path(__file__).with_name("selection.tsv")
# The kinds of breaks of each list, in the order of README.md's table.
KINDS = {
    "pypi": ["architecture", "library", "libc", "interpreter", "environment", "native", "dependency", "base", "start"],
    "npm": ["architecture", "library", "libc", "native", "dependency", "base", "start"],
    "debian": ["architecture", "library", "base", "link", "start"],
    "musl": ["architecture", "libc", "start"],
}
# Every third line belongs to the development set.
DEVELOPMENT_EVERY = 3


@dataclasses.dataclass(frozen=True)
class Choice:
    """One line of the list. `ordinal` counts within the line's list and set."""

    line: int
    list: str
    package: str
    start: str
    set: str
    ordinal: int

    @property
    def key(self) -> str:
        name = self.package.replace("/", "+").replace(":", "-")
        return f"{self.line:03}-{self.list}-{name}"

    @property
    def verb(self) -> str:
        return self.start.split(" ", 1)[0]

    @property
    def argument(self) -> str:
        return self.start.split(" ", 1)[1]

    @property
    def is_program(self) -> bool:
        return self.verb == "run"

    @property
    def as_script(self) -> bool:
        """Of imports, every second is a script that the image starts; the others are in the command itself."""
        return not self.is_program and self.line % 2 == 1

    @property
    def kinds(self) -> list:
        """The kinds of breaks in the order in which they are tried."""
        kinds = KINDS[self.list]
        first = self.ordinal % len(kinds)
        return kinds[first:] + kinds[:first]


def read() -> list:
    lines = [line for line in SELECTION.read_text().splitlines() if line and not line.startswith("#")]
    choices, counts = [], {}
    for number, line in enumerate(lines):
        name, package, start = line.split("\t")
        chosen_set = "development" if number % DEVELOPMENT_EVERY == 0 else "final"
        ordinal = counts.get((name, chosen_set), 0)
        counts[name, chosen_set] = ordinal + 1
        choices.append(Choice(number, name, package, start, chosen_set, ordinal))
    return choices
