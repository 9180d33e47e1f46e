"""Turns the names of steps into a plan."""


def plan(steps: list[str]) -> list[tuple[int, str]]:
    return list(enumerate(steps, start=1))
