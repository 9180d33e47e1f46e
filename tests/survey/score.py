"""Puts what the check said beside the truth, and writes it down."""

import dataclasses
import json
from collections import Counter

# States of which the check can be right or wrong.
JUDGED = ("runs", "fails")


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
    if truth["state"] not in JUDGED:
        verdict = truth["state"]
    elif said is None:
        verdict = "not checked"
    elif said.get("failed"):
        verdict = "check failed"
    elif truth["state"] == "runs":
        verdict = "false error" if errors else "right"
    elif errors:
        verdict = "caught"
    elif truth["image"] == "broken" and news:
        verdict = "warned"
    else:
        verdict = "silent"
    return Judged(choice, truth, said or {}, verdict, errors, news)


def summary(judged: list) -> str:
    runs = [one for one in judged if one.truth["state"] == "runs"]
    fails = [one for one in judged if one.truth["state"] == "fails"]
    lines = [f"{len(runs)} images run: {count(runs, 'right')} without an error, {count(runs, 'false error')} with false errors "
             f"({sum(len(one.errors) for one in runs)} errors)",
             f"{len(fails)} images fail: {count(fails, 'caught')} caught, {count(fails, 'warned')} warned, "
             f"{count(fails, 'silent')} silent"]
    for kind, number in sorted(Counter(one.kind or "as installed" for one in fails).items()):
        of_kind = [one for one in fails if (one.kind or "as installed") == kind]
        lines.append(f"  {kind}: {count(of_kind, 'caught')} of {number} caught, {count(of_kind, 'warned')} warned")
    others = Counter(one.verdict for one in judged if one.truth["state"] not in JUDGED or one.verdict.startswith(("not", "check")))
    lines.append("others: " + ", ".join(f"{number} {name}" for name, number in sorted(others.items())))
    secrets = [finding for one in runs for finding in one.said.get("findings", []) if finding["code"] == "secret"]
    lines.append(f"secret findings on images that run: {len(secrets)}")
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
