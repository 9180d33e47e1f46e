"""Ends with 0 where the worker gave a sign of life in the last seconds."""

import sys
import time

from agent_runner import HEARTBEAT
from stigmer_stubs import Heartbeat

PATIENCE_S = 15


def main() -> int:
    try:
        heartbeat = Heartbeat.model_validate_json(HEARTBEAT.read_bytes())
    except (OSError, ValueError) as error:
        print(f"no sign of life: {error}", file=sys.stderr)
        return 1
    return 0 if time.time() - heartbeat.at < PATIENCE_S else 1


if __name__ == "__main__":
    sys.exit(main())
