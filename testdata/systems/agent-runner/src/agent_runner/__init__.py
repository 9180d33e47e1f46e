"""Runs agents, one task after the other."""

from pathlib import Path

HEARTBEAT = Path("/workspace/heartbeat.json")
