"""The health check of what has HTTP: GET /health."""

import urllib.request

from . import config

with urllib.request.urlopen(f"http://{config.HOST}:{config.port()}/health", timeout=10) as reply:
    print(reply.read().decode().strip())
