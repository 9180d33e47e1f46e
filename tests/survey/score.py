"""Puts what the check said beside the truth, and writes it down."""

import dataclasses
import functools
import json
from collections import Counter
from pathlib import Path

# States for which the check can be right or wrong.
JUDGED = ("runs", "fails")
VERDICTS = ("right", "false error", "caught", "warned", "silent")
# Lines whose start the package itself refuses, with its reason: found by running, not by checking.
WRONG_STARTS = Path(__file__).with_name("wrong_starts.tsv")


@dataclasses.dataclass
class Judged:
    choice: object
    truth: dict
    said: dict
    verdict: str
    errors: list
    news: list

    @property
    def kind(self) -> str:
        return self.truth.get("kind", "")

    @property
    def state(self) -> str:
        return state_of(self.choice, self.truth)


@functools.cache
def wrong_starts() -> frozenset:
    lines = WRONG_STARTS.read_text().splitlines()
    return frozenset(tuple(line.split("\t")[:2]) for line in lines if not line.startswith("#"))


def state_of(choice, truth: dict) -> str:
    if truth["state"] == "fails" and truth["image"] == "right" and (choice.list, choice.package) in wrong_starts():
        return "wrong start"
    return truth["state"]


def judge(place, label: str, chosen: list) -> list:
    judged = []
    for choice in chosen:
        truths = place / "truth" / f"{choice.key}.json"
        if not truths.is_file():
            continue
        checks = place / "checks" / label / f"{choice.key}.json"
        said = json.loads(checks.read_text()) if checks.is_file() else {}
        usual = {identity(finding) for finding in said.get("right", {}).get("findings", [])}
        for truth in json.loads(truths.read_text()):
            image = truth["image"]
            judged.append(judged_one(choice, truth, said.get(image), usual if image == "broken" else set()))
    return judged


def identity(finding: dict) -> tuple:
    return finding["code"], finding["path"], finding["message"]


def judged_one(choice, truth: dict, said: dict, usual: set) -> Judged:
    findings = (said or {}).get("findings", [])
    errors = [finding for finding in findings if finding["severity"] == "error"]
    news = [finding for finding in findings if finding["severity"] == "warning" and identity(finding) not in usual]
    state = state_of(choice, truth)
    if state not in JUDGED:
        verdict = state
    elif said is None:
        verdict = "not checked"
    elif said.get("failed"):
        verdict = "check failed"
    elif state == "runs":
        verdict = "false error" if errors else "right"
    elif errors:
        verdict = "caught"
    elif truth["image"] == "broken" and news:
        verdict = "warned"
    else:
        verdict = "silent"
    return Judged(choice, truth, said or {}, verdict, errors, news)


def of(judged: list, image: str, state: str) -> list:
    return [one for one in judged if one.truth["image"] == image and one.state == state]


def fails(judged: list) -> list:
    """What should be caught: broken images, and packages that do not run as they are installed."""
    return of(judged, "right", "fails") + of(judged, "broken", "fails")


def summary(judged: list) -> str:
    lines = []
    for title, chosen in (("right", of(judged, "right", "runs")), ("with a break, and run all the same", of(judged, "broken", "runs"))):
        lines.append(f"{len(chosen)} images {title}: {count(chosen, 'false error')} with false errors "
                     f"({sum(len(one.errors) for one in chosen)} errors)")
    failing = fails(judged)
    lines.append(f"{len(failing)} images fail: {count(failing, 'caught')} caught, {count(failing, 'warned')} warned, "
                 f"{count(failing, 'silent')} silent")
    for kind, number in sorted(Counter(one.kind or "as installed" for one in failing).items()):
        of_kind = [one for one in failing if (one.kind or "as installed") == kind]
        lines.append(f"  {kind}: {count(of_kind, 'caught')} of {number} caught, {count(of_kind, 'warned')} warned")
    others = Counter(one.verdict for one in judged if one.verdict not in VERDICTS)
    lines.append("others: " + ", ".join(f"{number} {name}" for name, number in sorted(others.items())))
    return "\n".join(lines)


def count(judged: list, verdict: str) -> int:
    return sum(one.verdict == verdict for one in judged)


def details(judged: list) -> str:
    """All that is not as it should be, for people who mend the rules."""
    lines = []
    for one in judged:
        if one.verdict in ("right", "caught"):
            continue
        name = f"{one.choice.key} {one.truth['image']} {one.kind}".strip()
        lines.append(f"{one.verdict.upper()}: {name}: {one.truth.get('what', '')}\n    truth: {one.truth.get('output', '')[:300]}")
        for finding in one.errors or one.news:
            lines.append(f"    {finding['severity']}[{finding['code']}] {finding['path']}: {finding['message'][:200]}")
        if one.said.get("failed"):
            lines.append(f"    {one.said['failed'][-200:]}")
    return "\n".join(lines)
