"""Breaks a right image, in one way: gives the broken tree, the paths of the base to remove, and what was done in words."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import elf
import images
import installers
from installers import SITE, NotApplicable, NotInstalled

VENV = "app/.venv"
# Libraries that these need are never removed: without them nothing starts at all.
INTERPRETERS = {"pypi": "usr/bin/python3", "npm": "usr/bin/node"}


@dataclasses.dataclass
class Broken:
    kind: str
    what: str
    removed: list = dataclasses.field(default_factory=list)
    entrypoint: list = None


class Breaker:
    """Makes the broken tree of one choice at `tree`; `right` is the tree of the right image."""

    def __init__(self, choice, right: Path, tree: Path, place: Path, image: elf.Base):
        self.choice, self.right, self.tree, self.place, self.image = choice, right, tree, place, image

    def first_that_applies(self, entrypoint: list) -> Broken:
        self.right_entrypoint = entrypoint
        tried = []
        for kind in self.choice.kinds:
            shutil.rmtree(self.tree, ignore_errors=True)
            try:
                return getattr(self, kind)()
            except (NotApplicable, NotInstalled) as error:
                tried.append(f"{kind}: {error}")
        raise NotApplicable("; ".join(tried))

    def copy(self, source: Path = None):
        """Hardlinks: a break takes files out, and never changes one."""
        self.tree.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-al", str(source or self.right), str(self.tree)], check=True)

    def install(self, variant: str):
        self.copy(installers.install(self.choice, variant, self.place))
        self.copy_start_files()

    def copy_start_files(self):
        """The script of the right image, if its start is one."""
        script = images.script_of(self.choice)
        if script:
            (self.tree / script).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.right / script, self.tree / script)

    def architecture(self) -> Broken:
        if self.choice.list == "debian":
            self.copy()
            package = installers.foreign_package(self.choice, self.place)
            # Unpacked over the hardlinks: each file is replaced, none is written into.
            installers.unpack(package, self.tree)
            what = f"{self.choice.package} for arm64"
        else:
            self.install("architecture")
            what = "installed for arm64"
        if not any(elf.is_for(path, elf.ARM64) for path in elf.elf_files(self.tree)):
            raise NotApplicable("nothing in it is for arm64")
        return Broken("architecture", what)

    def libc(self) -> Broken:
        self.install("libc")
        same = {self.digest(tree) for tree in (self.right, self.tree)}
        if len(same) == 1:
            raise NotApplicable("the same files for both C libraries")
        wrong = "glibc" if self.choice.list == "musl" else "musl"
        return Broken("libc", f"installed for {wrong}")

    def digest(self, tree: Path) -> str:
        """Names and sizes of all ELF files."""
        return json.dumps([(str(path.relative_to(tree)), path.stat().st_size) for path in elf.elf_files(tree)])

    def interpreter(self) -> Broken:
        self.install("interpreter")
        return Broken("interpreter", "installed for CPython 3.12")

    def environment(self) -> Broken:
        """A virtual environment of 3.12, whose `python` is the base's 3.11."""
        installed = installers.install(self.choice, "interpreter", self.place)
        venv = self.tree / VENV
        (venv / "bin").mkdir(parents=True)
        (venv / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.12.1\n")
        (venv / "bin/python").symlink_to("/usr/bin/python3")
        (venv / "lib/python3.12").mkdir(parents=True)
        subprocess.run(["cp", "-al", str(installed / SITE), str(venv / "lib/python3.12/site-packages")], check=True)
        self.copy_start_files()
        python = f"/{VENV}/bin/python"
        if self.choice.is_program:
            program = installed / "usr/local/bin" / self.choice.argument.split(" ")[0]
            if program.read_bytes()[:2] != b"#!":
                raise NotApplicable("the program is not of Python")
            text = program.read_text().split("\n", 1)[1]
            (venv / "bin" / program.name).write_text(f"#!{python}\n{text}")
            (venv / "bin" / program.name).chmod(0o755)
            entrypoint = [f"/{VENV}/bin/{program.name}", *self.right_entrypoint[1:]]
        else:
            entrypoint = [python, *self.right_entrypoint[1:]]
        return Broken("environment", "a virtual environment of Python 3.12 on the base's 3.11", entrypoint=entrypoint)

    def distribution(self) -> Path:
        """The package's own dist-info."""
        return find_distribution(self.tree / SITE, self.choice.package)

    def native(self) -> Broken:
        if self.choice.list == "npm":
            self.install("native")
            return Broken("native", "installed with --ignore-scripts and --omit=optional")
        self.copy()
        taken = 0
        for path in recorded(self.distribution()):
            if elf.is_elf(path):
                path.unlink()
                taken += 1
        if not taken:
            raise NotApplicable("the package has no native file")
        return Broken("native", f"its {taken} native files taken out")

    def dependency(self) -> Broken:
        self.copy()
        if self.choice.list == "npm":
            package = self.tree / "app/node_modules" / self.choice.package
            for name in sorted(json.loads((package / "package.json").read_text()).get("dependencies", {})):
                for folder in (package / "node_modules" / name, self.tree / "app/node_modules" / name):
                    if folder.is_dir():
                        shutil.rmtree(folder)
                        return Broken("dependency", f"{name} taken out")
            raise NotApplicable("it requires nothing")
        metadata = (self.distribution() / "METADATA").read_text(errors="replace").split("\n\n", 1)[0]
        required = re.findall(r"^Requires-Dist: ([A-Za-z0-9._-]+)(?!.*extra *==)", metadata, re.M)
        for name in sorted(required, key=str.lower):
            try:
                distribution = find_distribution(self.tree / SITE, name)
            except NotApplicable:
                continue
            for path in recorded(distribution):
                path.unlink()
            shutil.rmtree(distribution, ignore_errors=True)
            remove_empty(self.tree / SITE)
            return Broken("dependency", f"{name} taken out")
        raise NotApplicable("it requires nothing")

    def needed(self) -> set:
        """What the files of the tree need by name; of a Debian program, what it needs itself."""
        if self.choice.list == "debian":
            files = [self.program()]
            if not elf.is_elf(files[0]):
                raise NotApplicable("the program is a script")
        else:
            files = [path for path in elf.elf_files(self.tree) if elf.is_for(path, elf.AMD64)]
        return {soname for names in elf.needed(files).values() for soname in names if not elf.C_LIBRARY.match(soname)}

    def program(self) -> Path:
        name = self.choice.argument.split(" ")[0]
        for folder in ("usr/bin", "usr/sbin", "usr/local/bin", "app/node_modules/.bin"):
            path = self.tree / folder / name
            if path.is_symlink() or path.is_file():
                return path
        raise NotApplicable(f"no program {name}")

    def library(self) -> Broken:
        self.copy()
        needed = self.needed()
        if self.choice.list == "debian":
            return self.library_package(needed)
        for directory, _, names in sorted(os.walk(self.tree)):
            for name in sorted(names):
                if name in needed and not self.image.library(name):
                    path = Path(directory) / name
                    target = path.parent / os.readlink(path) if path.is_symlink() else path
                    for gone in {path, target}:
                        gone.unlink(missing_ok=True)
                    return Broken("library", f"{path.relative_to(self.tree)} taken out")
        raise NotApplicable("no library comes with it")

    def library_package(self, needed: set) -> Broken:
        for package in installers.debian_packages(self.choice, self.place):
            listed = subprocess.run(["dpkg-deb", "--contents", str(package)], stdout=subprocess.PIPE, check=True, text=True)
            names = {line.split(" -> ")[0].rsplit("/", 1)[-1] for line in listed.stdout.splitlines()}
            if package.name.startswith("lib") and names & needed:
                shutil.rmtree(self.tree)
                self.tree.mkdir()
                for other in installers.debian_packages(self.choice, self.place):
                    if other != package:
                        installers.unpack(other, self.tree)
                return Broken("library", f"without the package {package.name.split('_')[0]}")
        raise NotApplicable("its libraries are the base's")

    def link(self) -> Broken:
        self.copy()
        for soname in sorted(self.needed()):
            path = self.tree / elf.MULTIARCH / soname
            if path.is_symlink():
                path.unlink()
                return Broken("link", f"the link {path.relative_to(self.tree)} taken out")
        raise NotApplicable("no library of its own has a link")

    def base_libraries(self) -> set:
        interpreter = INTERPRETERS.get(self.choice.list)
        return self.image.needs_of(interpreter) if interpreter else set()

    def base(self) -> Broken:
        self.copy()
        own = {path.name for path in self.tree.rglob("*.so*")}
        for soname in sorted(self.needed() - self.base_libraries() - own):
            if paths := self.image.library(soname):
                return Broken("base", f"{soname} removed from the base", [f"/{path}" for path in paths])
        raise NotApplicable("it needs no library of the base")

    def start(self) -> Broken:
        if not self.choice.is_program and not self.choice.as_script:
            raise NotApplicable("the start is in the command")
        self.copy()
        if self.choice.is_program:
            path = self.program()
        else:
            path = self.tree / images.script_of(self.choice)
        path.unlink()
        return Broken("start", f"{path.relative_to(self.tree)} lost")


def find_distribution(site: Path, package: str) -> Path:
    wanted = re.sub(r"[-_.]+", "-", package).lower()
    for path in site.glob("*.dist-info"):
        if re.sub(r"[-_.]+", "-", path.name.rsplit(".dist-info", 1)[0].rsplit("-", 1)[0]).lower() == wanted:
            return path
    raise NotApplicable(f"no {package} in the tree")


def recorded(distribution: Path) -> list:
    """The files that the distribution's RECORD lists, those that are there."""
    lines = (distribution / "RECORD").read_text(errors="replace").splitlines()
    paths = [distribution.parent / line.rsplit(",", 2)[0].strip('"') for line in lines]
    return [path for path in paths if path.is_file() or path.is_symlink()]


def remove_empty(directory: Path):
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
