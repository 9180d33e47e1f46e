"""Splits a task into steps, and asks the researcher about each."""

from ai_system import agent, config


def reply(task: str) -> str:
    researcher = config.read()["researcher"]
    steps = [step.strip() for step in task.split(",")]
    return "; ".join(agent.ask(researcher, step) for step in steps)


agent.serve(reply)
