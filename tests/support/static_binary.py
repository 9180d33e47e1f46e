"""Links the binary statically, against the C library of the machine, for tests/install/static_binary.rs."""

import json
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# `--examples` matches nothing: it makes cargo build the dependencies with the features of the tests, so that all of them
# and the library are those that the tests use. Only the binary itself is linked again.
COMMAND = ["cargo", "rustc", "--locked", "--bin", "ocitect", "--examples", "--message-format=json-render-diagnostics"]
STATIC = ["--", "-C", "target-feature=+crt-static"]


def make(directory: Path) -> dict:
    """Copies the binary to `directory`: cargo puts the ordinary one in its place when it builds the tests."""
    command = [*COMMAND, *STATIC]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    (built,) = [message["executable"] for message in messages if message.get("executable")]
    target = directory / "ocitect-static"
    shutil.copy2(built, target)
    return {"OCITECT_TEST_STATIC": target}
