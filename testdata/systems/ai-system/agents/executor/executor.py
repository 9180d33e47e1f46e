"""Computes a sum."""

from ai_system import agent, config

LIMIT = config.read()["limit"]

agent.serve(lambda terms: str(sum(int(term) for term in terms.split("+")[:LIMIT])))
