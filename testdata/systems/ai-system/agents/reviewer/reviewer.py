"""Counts the lines of a text that are too long."""

from ai_system import agent, config

WIDTH = config.read()["width"]

agent.serve(lambda text: str(sum(len(line) > WIDTH for line in text.splitlines())))
