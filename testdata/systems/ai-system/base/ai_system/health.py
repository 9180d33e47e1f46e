"""The health check of an agent: asks it over ZeroMQ."""

from . import agent, config

print(agent.ask(config.port(), "health"))
