"""Shows which agents there are; needs no ZeroMQ."""

from ai_system import config, http

AGENTS = config.read()["agents"]

http.serve({"/health": lambda: "dashboard is healthy", "/": lambda: "\n".join(AGENTS)})
