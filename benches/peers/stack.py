"""A stack: a base and 21 images on it, in one workspace, in a loop of builds, and with podman; and one image that has
all of its layers."""

from pathlib import Path

import workloads
from measure import Step, output_of
from peers import Ocitect, Peer, Work, image_sizes

SERVERS = 21
# Of each server, and of the layer that all servers share.
OWN_TURNS = 40
SHARED_TURNS = 400
SPEC = 'format = 1\n\n[image]\nname = "localhost/stack/{name}"\nbase = "{base}"\n\n{layers}'
LAYER = '[[layers]]\nname = "{name}"\nfiles = [{{ from = "{source}", to = "/{name}/" }}]\n\n'
IMAGE = 'platforms = ["linux/amd64"]\ntags = ["t"]\n'
CHECK = 'allow = ["*:/**"]\n'


def make_stack(parent: Path) -> Path:
    return workloads.make_once(parent / "stack", make_files)


def make_files(directory: Path):
    """The tree `python` is the base's; each server has a file of its own."""
    lines = workloads.text_lines()
    write = lambda path, turns: write_turns(directory / path, lines, turns)
    write("shared/library", range(SHARED_TURNS))
    for number in range(SERVERS):
        write(f"server-{number}/program", range(10**6 * (number + 1), 10**6 * (number + 1) + OWN_TURNS))
    # Links into the other workload would be packed as links: the base's layer is read where that is.
    (directory / "base").symlink_to(workloads.make("python", directory.parent).resolve())


def write_turns(path: Path, lines: list, turns: range):
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        for turn in turns:
            file.write(workloads.large_text(lines, turn))


def names() -> list:
    return [f"server-{number}" for number in range(SERVERS)]


def layer(work: Work, name: str) -> str:
    return LAYER.format(name=name, source=(work.tree / name).resolve())


class Workspace(Ocitect):
    """All 22 images in one run, into one layout."""

    note = "one command for 22 images"

    def ready(self, work: Work):
        write(work.scratch / "ocitect.toml", 'format = 1\n\n[workspace]\nmembers = ["*.toml"]\n\n' + defaults())
        write(work.scratch / "base.toml", SPEC.format(name="base", base="scratch", layers=layer(work, "base")))
        for name in names():
            layers = layer(work, "shared") + layer(work, name)
            write(work.scratch / f"{name}.toml", SPEC.format(name=name, base="workspace:base", layers=layers))
        return super(Ocitect, self).ready(work)


class Loop(Ocitect):
    """Each image by a run of its own, into one layout: the base first, which the others name by that layout."""

    note = "22 commands, one for each image"

    def ready(self, work: Work):
        write(work.scratch / "base.toml", alone("base", "scratch", layer(work, "base")))
        for name in names():
            layers = layer(work, "shared") + layer(work, name)
            write(work.scratch / f"{name}.toml", alone(name, f"oci:{work.target}:localhost/stack/base:t", layers))
        return super(Ocitect, self).ready(work)

    def steps(self, work: Work) -> list:
        build = lambda name: [self.needs[0], "build", "--progress", "none", work.scratch / f"{name}.toml", "-o",
                              f"oci:{work.target}"]
        return [Step([build(name)]) for name in ["base", *names()]]


class OneImage(Ocitect):
    """One image with all layers of the stack."""

    note = "one image with the 23 layers of the stack"

    def ready(self, work: Work):
        layers = "".join(layer(work, name) for name in ["base", "shared", *names()])
        write(work.scratch / "ocitect.toml", alone("all", "scratch", layers))
        return super(Ocitect, self).ready(work)


class PodmanLoop(Peer):
    """A build for each image, in a storage of its own, and a push of each into one layout."""

    needs = ("podman",)
    note = "22 builds in a storage, 22 copies into a layout"

    def podman(self, work: Work) -> list:
        return ["podman", "--root", work.scratch / "storage", "--runroot", work.scratch / "run", "--log-level=error"]

    def ready(self, work: Work):
        write(work.scratch / "base.containerfile", "FROM scratch\nCOPY . /base/\n")
        for name in names():
            write(work.scratch / f"{name}.containerfile",
                  f"FROM localhost/stack/base:t\nCOPY shared /shared/\nCOPY {name} /{name}/\n")
        return super().ready(work)

    def steps(self, work: Work) -> list:
        steps = []
        for name in ["base", *names()]:
            image = f"localhost/stack/{name}:t"
            # The base is a link, which a context does not follow.
            context = (work.tree / "base").resolve() if name == "base" else work.tree
            steps.append([*self.podman(work), "build", "--quiet", "--isolation=chroot", "--tag", image,
                          "--file", work.scratch / f"{name}.containerfile", context])
            steps.append([*self.podman(work), "push", "--quiet", image, f"oci:{work.target}:{name}"])
        return [Step([command]) for command in steps]

    def clear(self, work: Work):
        if work.scratch.exists():
            output_of([*self.podman(work), "rmi", "--all", "--force"])
            output_of(["umount", work.scratch / "storage" / "overlay"])
        super().clear(work)

    def output_bytes(self, work: Work) -> int:
        return sum(image_sizes(work.target))


def defaults() -> str:
    return f"[defaults.image]\n{IMAGE}\n[defaults.check]\n{CHECK}"


def alone(name: str, base: str, layers: str) -> str:
    """A spec without a workspace."""
    head, rest = SPEC.format(name=name, base=base, layers=layers).split("\n\n[[layers]]", 1)
    return f"{head}\n{IMAGE}\n[check]\n{CHECK}\n[[layers]]{rest}"


def write(path: Path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def change(tree: Path, run: int):
    """Adds a line to the program of one server."""
    with (tree / f"server-{run % SERVERS}" / "program").open("a") as file:
        file.write(f"// Changed in run {run}.\n")
