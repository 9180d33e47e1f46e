"""Asks all agents for their health."""

from ai_system import agent, config, http

AGENTS = config.read()["agents"]


def health() -> str:
    return "\n".join(agent.ask(port, "health") for port in AGENTS.values())


http.serve({"/health": health})
