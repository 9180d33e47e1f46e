"""The configuration of an agent: /etc/ai/NAME.json, and the variables that override its port."""

import json
import os
from pathlib import Path

NAME = os.environ["AI_NAME"]
HOST = os.environ["AI_HOST"]
LOG = Path("/var/log/ai") / f"{NAME}.log"
DATA = Path("/var/lib/ai/data")


def read(name: str = NAME) -> dict:
    return json.loads(Path(f"/etc/ai/{name}.json").read_text())


def port() -> int:
    return int(os.environ["AI_PORT"])


def log(line: str):
    with LOG.open("a") as file:
        file.write(f"{NAME}: {line}\n")
