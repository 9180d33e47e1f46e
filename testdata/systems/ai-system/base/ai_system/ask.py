"""Asks another agent: `python3 -m ai_system.ask PORT TEXT`."""

import sys

from . import agent

print(agent.ask(int(sys.argv[1]), sys.argv[2]))
