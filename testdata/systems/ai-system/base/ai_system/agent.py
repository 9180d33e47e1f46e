"""An agent: replies to requests over ZeroMQ, one after another."""

import signal
import sys

import zmq

from . import config

TIMEOUT_MS = 10_000


def serve(reply):
    """Answers `health` itself, and every other request with `reply(text)`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    socket = zmq.Context.instance().socket(zmq.REP)
    socket.bind(f"tcp://{config.HOST}:{config.port()}")
    config.log(f"replies on {config.port()} with ZeroMQ {zmq.zmq_version()}")
    while True:
        request = socket.recv_string()
        socket.send_string(f"{config.NAME} is healthy" if request == "health" else reply(request))
        config.log(request)


def ask(port: int, request: str) -> str:
    """Sends a request to the agent at a port, and returns its reply."""
    with zmq.Context.instance().socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, TIMEOUT_MS)
        socket.connect(f"tcp://{config.HOST}:{port}")
        socket.send_string(request)
        return socket.recv_string()
