#!/usr/bin/env python3
"""Runs a command on a terminal of its own, and answers its questions.

    tests/support/terminal.py STEP... -- COMMAND [ARGUMENT]...

The steps, in order: expect=TEXT waits until the terminal shows TEXT; send=TEXT types it; hidden and shown check that
what is typed is not echoed, or is; signal=NAME sends a signal to the command. Prints all that the terminal showed, and
at the end the command's exit status (`status 0`) and whether the terminal echoes (`echo` or `-echo`). A shell on the
same terminal reports these, since a terminal is reset when its session ends.
"""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

PATIENCE_S = 30
REPORT = 'trap : INT QUIT; "$@"; echo "status $?"; stty -a | grep -ow -e "-\\?echo"; echo end'


def main(arguments: list) -> int:
    split = arguments.index("--")
    steps = [step.partition("=")[::2] for step in arguments[:split]]
    master, slave = pty.openpty()
    shell = subprocess.Popen(
        ["sh", "-c", REPORT, "sh", *arguments[split + 1:]],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    terminal = Terminal(master)
    try:
        for name, text in steps:
            take(name, text, terminal, shell.pid)
        terminal.wait_for("\nend")
    finally:
        shell.kill()
        shell.wait()
        sys.stdout.write(terminal.text)
    return 0


def take(name: str, text: str, terminal, shell: int):
    if name == "expect":
        terminal.wait_for(text)
    elif name == "send":
        os.write(terminal.master, text.encode())
    elif name in ("hidden", "shown"):
        if terminal.echoes() != (name == "shown"):
            raise SystemExit(f"what is typed is not {name}")
    elif name == "signal":
        (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        os.kill(int(child), signal.Signals[f"SIG{text}"])
    else:
        raise SystemExit(f"unknown step {name}")


class Terminal:
    def __init__(self, master: int):
        self.master = master
        self.raw = ""
        self.text = ""
        self.seen = 0

    def wait_for(self, text: str):
        """Reads until `text` is shown after what was waited for before."""
        deadline = time.monotonic() + PATIENCE_S
        while (at := self.text.find(text, self.seen)) < 0:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise SystemExit(f"{text!r} was not shown in time")
            self.raw += os.read(self.master, 4096).decode(errors="replace")
            self.text = self.raw.replace("\r\n", "\n")
        self.seen = at + len(text)

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
