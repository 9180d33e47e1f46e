"""Finds what is known about a step."""

from ai_system import agent, config

KNOWN = config.read()["known"]

agent.serve(lambda step: f"{step}: {KNOWN.get(step, 'not known')}")
