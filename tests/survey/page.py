"""Writes the measured part of docs/survey.md: the sums, and every result."""

import json
import re
from collections import Counter
from pathlib import Path

import installers
import score

BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
VERDICTS = {"right": "right", "false error": "**false error**", "caught": "caught", "warned": "**warned**", "silent": "**silent**"}
WIDTH = 110


def publish(page: Path, place: Path, label: str, before: str, chosen: list):
    text = page.read_text()
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    page.write_text(head + BEGIN + measured(place, label, before, chosen) + END + tail)


def measured(place: Path, label: str, before: str, chosen: list) -> str:
    parts = []
    for name in ("final", "development"):
        of_set = [choice for choice in chosen if choice.set == name]
        judged = score.judge(place, label, of_set)
        earlier = score.judge(place, before, of_set) if before else []
        parts += [f"## The {name} set\n", sums(judged, earlier), kinds(judged, earlier), secrets(judged)]
    for name in ("final", "development"):
        judged = score.judge(place, label, [choice for choice in chosen if choice.set == name])
        parts += [f"## Every result of the {name} set\n", every(judged, place)]
    return "\n" + "\n".join(part for part in parts if part)


def table(head: list, rows: list) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell(word) for word in line) + " |\n" for line in lines)


def cell(word) -> str:
    return re.sub(r"\s+", " ", str(word)).replace("|", "\\|").replace("<", "&lt;").strip()


def short(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= WIDTH else text[:WIDTH - 1] + "…"


def sums(judged: list, earlier: list) -> str:
    """One row for each question, the earlier measurement beside it."""
    columns = [earlier, judged] if earlier else [judged]
    head = ["", "before", "now"] if earlier else ["", "now"]
    rows = []
    for title, ask in QUESTIONS:
        rows.append([title, *(ask(column) for column in columns)])
    return table(head, rows)


def count_of(verdict: str, choose):
    return lambda judged: score.count(choose(judged), verdict)


def right_runs(judged: list) -> list:
    return score.of(judged, "right", "runs")


def broken_runs(judged: list) -> list:
    return score.of(judged, "broken", "runs")


def errors_in(choose):
    return lambda judged: sum(len(one.errors) for one in choose(judged) if one.verdict == "false error")


QUESTIONS = [
    ("right images that run", lambda judged: len(right_runs(judged))),
    ("… with false errors", count_of("false error", right_runs)),
    ("… false errors in all", errors_in(right_runs)),
    ("images with a break that run all the same", lambda judged: len(broken_runs(judged))),
    ("… with errors", count_of("false error", broken_runs)),
    ("images that fail: broken, or as installed", lambda judged: len(score.fails(judged))),
    ("… caught (an error)", count_of("caught", score.fails)),
    ("… warned", count_of("warned", score.fails)),
    ("… silent", count_of("silent", score.fails)),
]


def kinds(judged: list, earlier: list) -> str:
    rows = []
    for kind, number in sorted(Counter(one.kind or "as installed" for one in score.fails(judged)).items()):
        columns = [[one for one in score.fails(column) if (one.kind or "as installed") == kind] for column in (earlier, judged) if column]
        now = columns[-1]
        rows.append([kind, number, *(score.count(column, "caught") for column in columns), score.count(now, "warned"),
                     score.count(now, "silent")])
    head = ["break", "images that fail", *(["caught before"] if earlier else []), "caught", "warned", "silent"]
    return table(head, rows)


def secrets(judged: list) -> str:
    lines = []
    for one in right_runs(judged):
        for finding in one.said.get("findings", []):
            if finding["code"] == "secret":
                lines.append(f"- {one.choice.package}: {finding['severity']}: {short(finding['message'])}\n")
    return f"`secret` findings on right images that run: {len(lines)}.\n\n" + "".join(lines)


def every(judged: list, place: Path) -> str:
    rows = []
    for one in judged:
        rows.append([
            named(one, place), one.truth.get("what") or "as installed", truth(one.truth), said(one),
            VERDICTS.get(one.verdict, one.verdict),
        ])
    return table(["package", "image", "what happened", "what the check said", ""], rows)


def named(one, place: Path) -> str:
    version = version_of(one.choice, place)
    return f"{one.choice.package} {version}".strip()


def version_of(choice, place: Path) -> str:
    root = place / "images" / choice.key / "right/root"
    if choice.list == "pypi":
        wanted = re.sub(r"[-_.]+", "-", choice.package).lower()
        for path in (root / installers.SITE).glob("*.dist-info"):
            name, version = path.name.removesuffix(".dist-info").rsplit("-", 1)
            if re.sub(r"[-_.]+", "-", name).lower() == wanted:
                return version
    if choice.list == "npm":
        manifest = root / "app/node_modules" / choice.package / "package.json"
        return json.loads(manifest.read_text()).get("version", "") if manifest.is_file() else ""
    if choice.list == "debian":
        for file in (place / "cache/debian" / choice.package).glob(f"{choice.package}_*.deb"):
            return file.name.split("_")[1].replace("%3a", ":")
    return ""


def truth(record: dict) -> str:
    if record["state"] == "runs":
        return "runs"
    exit_status = f", exit {record['exit']}" if "exit" in record else ""
    return f"{record['state']}{exit_status}: {short(record.get('output', ''))}"


def said(one) -> str:
    findings = one.errors or (one.news if one.truth["image"] == "broken" or one.truth["state"] == "fails" else [])
    if not findings:
        return "no error" if one.verdict in VERDICTS else ""
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{first['severity']} `{first['code']}`: {short(first['message'])}{more}"
