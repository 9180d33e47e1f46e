"""Works until it is told to stop, and leaves a sign of life in the workspace each second."""

import signal
import sys
import threading
import time

import numpy

from agent_runner import HEARTBEAT
from graphton import plan
from stigmer_stubs import Heartbeat


def main() -> int:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopped.set())
    print(f"agent-runner: {len(plan(['fetch', 'think', 'answer']))} steps, numpy {numpy.__version__}")
    beat = 0
    while not stopped.is_set():
        beat += 1
        load = float(numpy.linalg.norm(numpy.ones(beat % 100)))
        HEARTBEAT.write_text(Heartbeat(beat=beat, load=load, at=time.time()).model_dump_json())
        stopped.wait(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
