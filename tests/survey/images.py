"""What an image starts, its spec, how it is run, and what the check says of it."""

import json
import os
import re
import shutil
import subprocess
import threading
import uuid
from pathlib import Path

RUN_TIMEOUT_S = 120
NAME = "localhost/survey"
BASES = {"pypi": "python", "npm": "node", "debian": "slim", "musl": "musl"}
# Failures that are due to the machine and not to the image; decided before any image was made.
SURROUNDINGS = re.compile(
    r"ENOTFOUND|EAI_AGAIN|getaddrinfo|Name or service not known|Temporary failure in name resolution|Network is unreachable"
    r"|ENETUNREACH|cannot open display|DISPLAY|no CUDA-capable device|libcuda\.so|NVIDIA driver|Illegal instruction"
)
SPEC = """format = 1

[image]
name = "{name}"
base = "oci:{base}"
platforms = ["linux/amd64"]
compression = "none"

[[layers]]
name = "app"
files = [{{ from = "root", to = "/" }}]
remove = {removed}

[config]
workdir = "{workdir}"
entrypoint = {entrypoint}
"""
ALLOW_ALL = '\n[check]\nallow = ["*:/**", "*:/"]\n'


def script_of(choice) -> str:
    """Where the script is that the image starts; empty if the start is a program or in the command."""
    if not choice.as_script:
        return ""
    return "srv/main.py" if choice.list == "pypi" else "app/main.js"


def code_of(choice) -> str:
    if choice.list == "pypi":
        return f'import {choice.argument}\nprint("started")\n'
    return f'require("{choice.argument}");\nconsole.log("started");\n'


def entrypoint_of(choice) -> list:
    interpreter = "python3" if choice.list == "pypi" else "node"
    if choice.is_program:
        name, *arguments = choice.argument.split(" ")
        return [f"node_modules/.bin/{name}" if choice.list == "npm" else name, *arguments]
    if choice.as_script:
        return [interpreter, f"/{script_of(choice)}"]
    if choice.list == "pypi":
        return ["python3", "-c", f"import {choice.argument}"]
    return ["node", "-e", f"require('{choice.argument}')"]


def make_right(choice, installed: Path, image: Path) -> list:
    """Lays out the right image's directory, and gives its entrypoint."""
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir(parents=True)
    subprocess.run(["cp", "-al", str(installed), str(image / "root")], check=True)
    if script := script_of(choice):
        (image / "root" / script).parent.mkdir(parents=True, exist_ok=True)
        (image / "root" / script).write_text(code_of(choice))
    return entrypoint_of(choice)


def write_spec(choice, image: Path, base: Path, entrypoint: list, removed=()):
    workdir = "/app" if choice.list == "npm" else "/"
    text = SPEC.format(name=NAME, base=base, removed=json.dumps(list(removed)), workdir=workdir, entrypoint=json.dumps(entrypoint))
    (image / "ocitect.toml").write_text(text)


def check(binary: Path, image: Path, cache: Path) -> dict:
    """What `ocitect check --json` says: its exit status and findings."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [str(binary), "check", "--json", "--progress", "none", str(image)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        findings = json.loads(done.stdout)["findings"]
    except (ValueError, KeyError):
        return {"status": done.returncode, "failed": done.stderr.decode(errors="replace")[-400:], "findings": []}
    kept = ("severity", "code", "path", "message", "found", "help")
    return {"status": done.returncode, "findings": [{key: finding.get(key) for key in kept} for finding in findings]}


class Podman:
    """Podman with a storage of its own, below `place`."""

    def __init__(self, place: Path):
        self.place = place / "podman"
        self.place.mkdir(parents=True, exist_ok=True)
        files = {
            "containers.conf": '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n'
            'netns = "none"\nlog_driver = "k8s-file"\n\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'runtime = "runc"\ntmp_dir = "{self.place}/engine"\nvolume_path = "{self.place}/volumes"\nlock_type = "file"\n',
            "storage.conf": f'[storage]\ndriver = "overlay"\nrunroot = "{self.place}/run"\ngraphroot = "{self.place}/storage"\n',
        }
        for name, text in files.items():
            (self.place / name).write_text(text)
        self.environment = {**os.environ, "CONTAINERS_CONF": str(self.place / "containers.conf"),
                            "CONTAINERS_STORAGE_CONF": str(self.place / "storage.conf")}

        self.storage = threading.Lock()

    def keep(self, bases: dict):
        """Has the bases' layers in the storage, so that they are unpacked once."""
        for layout in bases.values():
            self.call("pull", "--quiet", f"oci:{layout}:latest")

    def call(self, *arguments, timeout=None) -> subprocess.CompletedProcess:
        return subprocess.run(["podman", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=self.environment, timeout=timeout)

    def truth(self, binary: Path, image: Path, cache: Path) -> dict:
        """Builds the image with everything allowed, and runs it."""
        with (image / "ocitect.toml").open("a") as spec:
            spec.write(ALLOW_ALL)
        # Podman uses this path as the image's name, in which an @ would begin a digest.
        layout = self.place / f"layout-{uuid.uuid4().hex}"
        command = [str(binary), "build", "--progress", "none", "-o", f"oci:{layout}", str(image)]
        built = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={**os.environ, "XDG_CACHE_HOME": str(cache)})
        if built.returncode != 0:
            shutil.rmtree(layout, ignore_errors=True)
            return {"state": "not built", "output": built.stdout.decode(errors="replace")[-400:]}
        # A layer that two images share must not be removed while the other one is being pulled.
        with self.storage:
            pulled = self.call("pull", "--quiet", f"oci:{layout}:latest")
        shutil.rmtree(layout)
        if pulled.returncode != 0:
            return {"state": "not built", "output": pulled.stdout.decode(errors="replace")[-400:]}
        identity = pulled.stdout.decode().split()[-1]
        try:
            command = ["run", "--rm", "--network=none", f"--timeout={RUN_TIMEOUT_S}", identity]
            ran = self.call(*command, timeout=2 * RUN_TIMEOUT_S)
        finally:
            with self.storage:
                self.call("rmi", "--force", identity)
        output = ran.stdout.decode(errors="replace")
        return {"state": state_of(ran.returncode, output), "exit": ran.returncode, "output": tail(output)}


def state_of(status: int, output: str) -> str:
    if status == 0:
        return "runs"
    return "surroundings" if SURROUNDINGS.search(output) else "fails"


def tail(output: str, lines: int = 3) -> str:
    kept = [line.strip() for line in output.splitlines() if line.strip()]
    # The line that names the error comes before Node's stack.
    named = [line for line in kept if re.match(r"(\w*Error\b|Error:|.*(cannot open shared object|Exec format))", line)]
    return " | ".join(dict.fromkeys([*named[:1], *kept[-lines:]]))[:500]
