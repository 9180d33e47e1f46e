"""A small HTTP server: `pages` has a function for each path."""

import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import config


def serve(pages: dict):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = pages.get(self.path)
            text = page() if page else "no such page"
            self.send_response(200 if page else 404)
            self.end_headers()
            self.wfile.write(f"{text}\n".encode())

        def log_message(self, form, *values):
            config.log(form % values)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ThreadingHTTPServer((config.HOST, config.port()), Handler).serve_forever()
