"""Keeps texts in its volume."""

from ai_system import agent, config

FILE = config.DATA / config.read()["file"]


def reply(text: str) -> str:
    with FILE.open("a") as file:
        file.write(f"{text}\n")
    return str(len(FILE.read_text().splitlines()))


agent.serve(reply)
