"""Writes a function."""

from ai_system import agent, config

INDENT = " " * config.read()["indent"]

agent.serve(lambda name: f"def {name}():\n{INDENT}raise NotImplementedError")
