"""Links the binary statically, against the C library of the machine, for tests/install/static_binary.rs."""

import json
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# With the examples, dependencies have the features that the tests give them: nothing is compiled twice.
BUILD = ["cargo", "build", "--locked", "--bin", "ocitect", "--examples", "--message-format=json-render-diagnostics"]


def make(directory: Path) -> dict:
    """Compiles `main.rs` against the library that the tests use, to a static binary in `directory`."""
    done = subprocess.run(BUILD, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    (library,) = [
        Path(name)
        for message in messages
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "ocitect"
        for name in message["filenames"]
        if name.endswith(".rlib")
    ]
    edition = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["edition"]
    target = directory / "ocitect-static"
    command = ["rustc", f"--edition={edition}", "--crate-type=bin", "--crate-name=ocitect", "src/main.rs"]
    command += ["-C", "target-feature=+crt-static", "-o", target]
    # The library's own file is beside the directory of its dependencies, and linked there too.
    command += ["--extern", f"ocitect={library}", "-L", f"dependency={library.parent / 'deps'}"]
    command += ["-L", f"dependency={library.parent}"]
    subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
    return {"OCITECT_TEST_STATIC": target}
