#!/usr/bin/env python3
"""Lays out a system of `testdata/systems` as its README.md says: its sources, and under dist/ what is built beforehand.

    tests/support/lay_out_systems.py {eliza,agent-runner,ai-system,workstation} OUTPUT

The parts are those of OCITECT_TEST_ARTIFACTS. Neither pnpm nor pip nor dpkg runs: what they would leave is put together
here, so that it is there for both processors, and always the same.
"""

import json
import os
import shutil
import sys
from pathlib import Path

SYSTEMS = Path(__file__).resolve().parents[2] / "testdata" / "systems"
NODE_ARCHITECTURES = ("x64", "arm64")
ARCHITECTURES = ("amd64", "arm64")
# Files of a developer's checkout besides the sources.
CLUTTER = {
    ".git/HEAD": "ref: refs/heads/main\n",
    ".gitignore": "dist\n",
    ".idea/workspace.xml": "<project/>\n",
    ".pytest_cache/README.md": "# pytest cache directory\n",
    ".venv/pyvenv.cfg": "home = /home/developer/.pyenv/versions/3.11.7/bin\n",
    "src/agent_runner/__pycache__/health.cpython-311.pyc": "compiled\n",
}
PYVENV = "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n"
# As pip writes it.
SCRIPT = """#!/app/.venv/bin/python
# -*- coding: utf-8 -*-
import re
import sys
from agent_runner.__main__ import main
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""


def lay_out_eliza(output: Path, artifacts: Path):
    system = SYSTEMS / "eliza"
    shutil.copytree(system, output)
    for architecture in NODE_ARCHITECTURES:
        workspace = output / "dist" / architecture
        shutil.copytree(system, workspace, ignore=shutil.ignore_patterns("ocitect.toml", "README.md", "dist"))
        PnpmWorkspace(workspace, artifacts / "npm", architecture).install()
    shutil.copy(artifacts / "packages" / "pnpm-9.15.9.tgz", output / "dist")


class PnpmWorkspace:
    """What `pnpm install --prod` leaves: each package once, in node_modules/.pnpm, and symlinks to it."""

    def __init__(self, directory: Path, packages: Path, architecture: str):
        self.directory = directory
        self.store = directory / "node_modules" / ".pnpm"
        self.packages = packages
        self.suffixes = (f"linux-{architecture}", f"linux-{architecture}-gnu")
        self.members = {}

    def install(self):
        manifests = sorted(self.directory.rglob("package.json"))
        self.members = {read(path)["name"]: path.parent for path in manifests}
        for path in manifests:
            for name, version in read(path).get("dependencies", {}).items():
                at = self.members[name] if version.startswith("workspace:") else self.place(name, version)
                link(path.parent / "node_modules" / name, at)

    def place(self, name: str, version: str) -> Path:
        """Puts a package and what it depends on into the store; gives its directory there."""
        folder = f"{name}@{version}".replace("/", "+")
        beside = self.store / folder / "node_modules"
        if beside.exists():
            return beside / name
        shutil.copytree(self.packages / folder, beside / name)
        link(self.store / "node_modules" / name, beside / name)
        manifest = read(beside / name / "package.json")
        optional = manifest.get("optionalDependencies", {})
        for_here = [dependency for dependency in optional if dependency.endswith(self.suffixes)]
        for dependency in [*manifest.get("dependencies", {}), *for_here]:
            link(beside / dependency, self.place(dependency, self.pinned(dependency)))
        return beside / name

    def pinned(self, name: str) -> str:
        """The one version that was fetched."""
        (found,) = self.packages.glob(f"{name.replace('/', '+')}@*")
        return found.name.rpartition("@")[2]


def lay_out_agent_runner(output: Path, artifacts: Path):
    system = SYSTEMS / "agent-runner"
    shutil.copytree(system, output)
    for path, text in CLUTTER.items():
        write(output / path, text)
    for architecture in ARCHITECTURES:
        venv = output / "dist" / architecture / "venv"
        packages = venv / "lib" / "python3.11" / "site-packages"
        shutil.copytree(artifacts / "python" / architecture, packages)
        for name in ("graphton", "stigmer_stubs"):
            shutil.copytree(system / "libs" / name / "src" / name, packages / name)
            metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 0.1.0\n"
            write(packages / f"{name}-0.1.0.dist-info" / "METADATA", metadata)
        write(packages / "agent_runner.pth", "/app/src\n")
        write(venv / "pyvenv.cfg", PYVENV)
        write(venv / "bin" / "agent-runner", SCRIPT, 0o755)
        (venv / "bin" / "python").symlink_to("/usr/bin/python3.11")
        for name in ("python3", "python3.11"):
            (venv / "bin" / name).symlink_to("python")


def lay_out_ai_system(output: Path, artifacts: Path):
    """Debian's packages: the Python ones go into the agents, and the libraries into their base."""
    shutil.copytree(SYSTEMS / "ai-system", output)
    for architecture in ARCHITECTURES:
        for package in sorted((artifacts / "debian" / architecture).iterdir()):
            layer = "pyzmq" if package.name.startswith("python3-") else "libzmq"
            shutil.copytree(package, output / "dist" / architecture / layer, symlinks=True, dirs_exist_ok=True)


def lay_out_workstation(output: Path, artifacts: Path):
    """The sources need no compiler: they are what it would write. `.env` is `env.example`, filled in."""
    system = SYSTEMS / "workstation"
    shutil.copytree(system, output)
    shutil.copytree(system / "api" / "src", output / "dist" / "api")
    shutil.copytree(system / "servers", output / "dist" / "servers")
    for architecture in ARCHITECTURES:
        (output / "dist" / architecture).mkdir()
        shutil.copy(artifacts / "backend" / architecture, output / "dist" / architecture / "backend")
    example = (system / "env.example").read_text()
    write(output / ".env", example.replace("API_TOKEN=\n", "API_TOKEN=of-the-tests\n"))


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def write(path: Path, text: str, mode: int = 0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def link(path: Path, target: Path):
    """A relative symlink."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(target, path.parent))


LAY_OUT = {
    "eliza": lay_out_eliza,
    "agent-runner": lay_out_agent_runner,
    "ai-system": lay_out_ai_system,
    "workstation": lay_out_workstation,
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in LAY_OUT:
        sys.exit(__doc__)
    LAY_OUT[sys.argv[1]](Path(sys.argv[2]), Path(os.environ["OCITECT_TEST_ARTIFACTS"]))
