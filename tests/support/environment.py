#!/usr/bin/env python3
"""Runs a command in the surroundings that the tests of ocitect want, and takes them down again.

    tests/support/environment.py COMMAND [ARGUMENT]...

Starts the registries and the token server on free loopback ports, makes the base images and the configuration of
podman and skopeo, and says through variables named OCITECT_TEST_... where everything is; README.md beside this
file lists them. Everything lies in one temporary directory ($TMPDIR, else /tmp), which is gone afterwards, with
every process and mount of it. The exit code is the command's. With OCITECT_TEST_KEEP=1 the directory stays.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import fetch_artifacts
import make_bases
import make_real_bases
import registries
import static_binary
import token_server
from registries import Registry

# Files that were fetched and made once, shared by all runs: nothing below it is changed.
PARTS = Path(__file__).resolve().parents[2] / "target" / "test-parts"
STOP_TIMEOUT_S = 10
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(command: list) -> int:
    if not command:
        sys.exit(__doc__)
    for number in ENDINGS:
        signal.signal(number, leave)
    os.umask(0o022)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with contextlib.ExitStack() as stack:
        # podman uses a path as a name, in which an underscore is not allowed everywhere.
        directory = Path(tempfile.gettempdir()) / f"ocitect-{secrets.token_hex(8)}"
        directory.mkdir(mode=0o700)
        directory.chmod(0o755)
        if os.environ.get("OCITECT_TEST_KEEP") == "1":
            say(f"keeping {directory}")
        else:
            stack.callback(remove, directory)
        stack.callback(unmount_below, directory)
        variables = build_up(directory, stack)
        say(f"registries, bases and podman's configuration are in {directory}")
        return run(command, {**os.environ, **{name: str(value) for name, value in variables.items()}})


def leave(number: int, _frame):
    """The first signal ends us, by way of every clean-up; the next ones do not disturb that."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    sys.exit(128 + number)


def build_up(directory: Path, stack: contextlib.ExitStack) -> dict:
    variables = {"OCITECT_TEST_DIR": directory}
    # First, since it fails if the sources do not compile.
    variables.update(static_binary.make(directory))
    # Not /var/tmp, where podman and skopeo spool, nor /tmp: leftover files of a failed test are removed with the rest.
    variables["TMPDIR"] = new_directory(directory / "tmp")
    variables.update(make_bases.make_all(new_directory(directory / "bases"), PARTS))
    variables.update(make_real_bases.make_all(PARTS))
    variables.update(fetch_artifacts.fetch_all(PARTS))
    variables.update(start_registries(new_directory(directory / "registries"), stack))
    variables.update(configure_podman(directory, variables))
    stack.callback(remove_containers, {**os.environ, **{k: str(v) for k, v in variables.items()}})
    publish_bases(variables)
    return variables


def start_registries(directory: Path, stack: contextlib.ExitStack) -> dict:
    tokens = token_server.TokenServer(directory)
    tokens.start()
    stack.callback(tokens.stop)
    registries.make_ca(directory)
    ca = directory / "ca.crt"
    # The colon tests clients that split `user:password` at the wrong one.
    password = "pass:" + secrets.token_hex(12)
    subprocess.run(
        ["htpasswd", "-ciB", str(directory / "htpasswd"), "tester"],
        input=password.encode(), stderr=subprocess.DEVNULL, check=True,
    )
    started = {
        "OPEN": Registry("open", directory),
        "SECOND": Registry("second", directory),
        "TLS": Registry(
            "tls", directory, "localhost",
            registries.tls(directory / "server.crt", directory / "server.key"),
            registries.htpasswd(directory / "htpasswd"),
        ),
        "TOKEN": Registry(
            "token", directory,
            extra=registries.token(tokens.realm, token_server.SERVICE, token_server.ISSUER, tokens.certificate),
        ),
    }
    variables = {}
    for registry in started.values():
        registry.start()
        stack.callback(registry.stop)
    for name, registry in started.items():
        registry.wait(ca if name == "TLS" else None)
        variables[f"OCITECT_TEST_REGISTRY_{name}"] = registry.address
        variables[f"OCITECT_TEST_REGISTRY_{name}_LOG"] = registry.access_log
        variables[f"OCITECT_TEST_REGISTRY_{name}_STORAGE"] = registry.storage
    certs_d = directory / "certs.d"
    host_directory = new_directory(certs_d / started["TLS"].address)
    shutil.copy(ca, host_directory / "ca.crt")
    return {
        **variables,
        "OCITECT_TEST_REGISTRY_TLS_CA": ca,
        "OCITECT_TEST_REGISTRY_TLS_CERTS_D": certs_d,
        "OCITECT_TEST_REGISTRY_TLS_USER": "tester",
        "OCITECT_TEST_REGISTRY_TLS_PASSWORD": password,
        "OCITECT_TEST_TOKEN_SERVER": tokens.url,
        "OCITECT_TEST_TOKEN_SERVER_LOG": tokens.log,
        "OCITECT_TEST_TOKEN_WRITER": "writer",
        "OCITECT_TEST_TOKEN_WRITER_PASSWORD": tokens.passwords["writer"],
        "OCITECT_TEST_TOKEN_READER": "reader",
        "OCITECT_TEST_TOKEN_READER_PASSWORD": tokens.passwords["reader"],
        "OCITECT_TEST_TOKEN_IDENTITY": tokens.identity_token,
    }


def configure_podman(directory: Path, variables: dict) -> dict:
    """Files for podman and skopeo that ask neither for systemd nor for a network, and touch nothing outside."""
    podman = new_directory(directory / "podman")
    files = {
        "CONTAINERS_CONF": (podman / "containers.conf", f"""[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
netns = "none"
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{podman}/engine"
volume_path = "{podman}/volumes"
lock_type = "file"

[network]
network_config_dir = "{podman}/networks"
"""),
        "CONTAINERS_STORAGE_CONF": (podman / "storage.conf", f"""[storage]
driver = "overlay"
runroot = "{podman}/run"
graphroot = "{podman}/storage"
rootless_storage_path = "{podman}/storage"
"""),
        "CONTAINERS_REGISTRIES_CONF": (podman / "registries.conf", "".join(
            f'[[registry]]\nlocation = "{variables[f"OCITECT_TEST_REGISTRY_{name}"]}"\ninsecure = true\n\n'
            for name in ("OPEN", "SECOND", "TOKEN")
        )),
    }
    for path, text in files.values():
        path.write_text(text)
    return {name: path for name, (path, _) in files.items()}


def publish_bases(variables: dict):
    """Puts the OCI base and the Docker base into the two open registries."""
    layouts = {"base": "OCITECT_TEST_BASE", "base-docker": "OCITECT_TEST_BASE_DOCKER"}
    for registry in ("OPEN", "SECOND"):
        for repository, layout in layouts.items():
            registries.push(variables[layout], variables[f"OCITECT_TEST_REGISTRY_{registry}"], repository, "latest")


def run(command: list, environment: dict) -> int:
    """Runs the command; where we are told to end, everything that it started ends first."""
    # A terminal sends its interrupts to all processes itself, and lets only one group read.
    own_group = not sys.stdin or not sys.stdin.isatty()
    stdin = subprocess.DEVNULL if own_group else None
    process = subprocess.Popen(command, env=environment, stdin=stdin, start_new_session=own_group)
    try:
        code = process.wait()
        return code if code >= 0 else 128 - code
    except SystemExit:
        end(process, own_group)
        raise


def end(process: subprocess.Popen, own_group: bool):
    send = (lambda number: os.killpg(process.pid, number)) if own_group else process.send_signal
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            send(number)
            process.wait(STOP_TIMEOUT_S)
            return


def remove_containers(environment: dict):
    """Containers that a failed test left; podman is asked only where it was used."""
    if not Path(environment["CONTAINERS_STORAGE_CONF"]).with_name("storage").exists():
        return
    command = ["podman", "rm", "--all", "--force", "--time=0"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, env=environment, **quiet)


def unmount_below(directory: Path):
    """Podman binds its storage onto itself and leaves it so; tests mount small file systems to fill them."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines() if Path("/proc/self/mountinfo").exists() else []
    points = [line.split()[4] for line in lines]
    for point in reversed([point for point in points if Path(point).is_relative_to(directory)]):
        done = subprocess.run(["umount", point], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            subprocess.run(["umount", "--lazy", point], stdin=subprocess.DEVNULL)


def remove(directory: Path):
    """Files of other users in rootless podman's storage can be removed only from inside its user namespace."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists() and os.geteuid() != 0:
        subprocess.run(["podman", "unshare", "rm", "-rf", str(directory)], stdin=subprocess.DEVNULL)
    if directory.exists():
        say(f"could not remove all of {directory}")


def new_directory(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def say(text: str):
    print(f"tests: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
