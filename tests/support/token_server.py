"""The token server of the token registry: the distribution project's token protocol, as its auth/token.md and
auth/oauth.md describe it, with three users and no more rules than the tests ask about.

- the writer may pull, push and delete everywhere;
- the reader may pull everywhere;
- nobody in particular may pull below `public/`;
- wrong credentials are 401, never a token with less in it.

What a user may not do is left out of the token, and is no error, as the protocol has it.

The realm has a query of its own (`?tenant=ocitect`), which a client must keep: without it the answer is 400.
Each request becomes a line of JSON in the log, without any secret.
"""

import base64
import json
import secrets
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SERVICE = "ocitect-token-registry"
ISSUER = "ocitect-token-server"
TENANT = "ocitect"
# Long enough for every test; 60 s, the minimum of the protocol, is also the registry's leeway.
LIFETIME_S = 300
# Larger than any form of a client.
MAX_FORM_BYTES = 64 * 1024

WRITER = {"pull", "push", "delete", "*"}
READER = {"pull"}


class TokenServer:
    """Serves on a free port of 127.0.0.1 from a thread of this process, from `start` to `stop`."""

    def __init__(self, directory: Path):
        self.key = directory / "token.key"
        self.certificate = directory / "token.crt"
        self.log = directory / "token-server.log"
        self.passwords = {"writer": secrets.token_hex(12), "reader": secrets.token_hex(12)}
        self.identity_token = secrets.token_hex(24)
        self.log_lock = threading.Lock()
        self.log.touch()
        make_certificate(self.key, self.certificate)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def realm(self) -> str:
        return f"{self.url}/token?tenant={TENANT}"

    def start(self):
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def record(self, **fields):
        with self.log_lock, self.log.open("a") as log:
            log.write(json.dumps(fields) + "\n")

    def knows(self, user: str, password: str) -> bool:
        return secrets.compare_digest(self.passwords.get(user, ""), password) and user in self.passwords

    def sign(self, claims: dict) -> str:
        """A JWT by RS256, its certificate in the header, where the registry looks for the key."""
        body = "".join(line for line in self.certificate.read_text().splitlines() if "-----" not in line)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [body]}
        signed = b".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        signature = subprocess.run(command, input=signed, stdout=subprocess.PIPE, check=True).stdout
        return (signed + b"." + base64url(signature)).decode()

    def token(self, user: str, scopes: list) -> tuple:
        """A token for what `user` may do of `scopes`, and the names of what it grants."""
        access = [grant for grant in (granted(user, scope) for scope in scopes) if grant]
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": now + LIFETIME_S,
            "nbf": now - 10,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        return self.sign(claims), [f"{a['type']}:{a['name']}:{','.join(a['actions'])}" for a in access]


def handler_of(owner: TokenServer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            scopes = [scope for value in query.get("scope", []) for scope in value.split()]
            self.answer(query, scopes, *self.basic_user(), "token")

        def do_POST(self):
            size = int(self.headers.get("Content-Length") or 0)
            form = urllib.parse.parse_qs(self.rfile.read(min(size, MAX_FORM_BYTES)).decode())
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            scopes = [scope for value in form.get("scope", []) for scope in value.split()]
            self.answer({**form, **query}, scopes, *self.form_user(form), "access_token")

        def basic_user(self) -> tuple:
            """The user, and whether to serve at all: nobody is served, a wrong password is not."""
            kind, _, value = (self.headers.get("Authorization") or "").partition(" ")
            if not kind:
                return "", True
            if kind.lower() != "basic":
                return "", False
            user, _, password = base64.b64decode(value).decode().partition(":")
            return user, owner.knows(user, password)

        def form_user(self, form: dict) -> tuple:
            one = {name: values[0] for name, values in form.items()}
            if one.get("grant_type") == "refresh_token":
                return "writer", secrets.compare_digest(one.get("refresh_token", ""), owner.identity_token)
            if one.get("grant_type") == "password":
                user = one.get("username", "")
                return user, owner.knows(user, one.get("password", ""))
            return "", False

        def answer(self, query: dict, scopes: list, user: str, served: bool, field: str):
            status, grants, reply = 200, [], {}
            if not urllib.parse.urlsplit(self.path).path == "/token":
                status, reply = 404, {"details": "no such page"}
            elif query.get("tenant") != [TENANT] or query.get("service") != [SERVICE]:
                status, reply = 400, {"details": "the query lacks the realm's tenant, or the service"}
            elif not served:
                status, reply = 401, {"details": "incorrect username or password"}
            else:
                token, grants = owner.token(user, scopes)
                reply = {field: token, "expires_in": LIFETIME_S}
            owner.record(
                method=self.command,
                status=status,
                user=user,
                service=query.get("service", [""])[0],
                client_id=query.get("client_id", [""])[0],
                grant_type=query.get("grant_type", [""])[0],
                scopes=scopes,
                granted=grants,
            )
            self.reply(status, reply)

        def reply(self, status: int, body: dict):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="token server"')
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            """`record` writes the log."""

    return Handler


def granted(user: str, scope: str):
    """What of `scope` (`repository:NAME:ACTION,ACTION`) the user may do, or None."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    if kind != "repository" or not name:
        return None
    allowed = {"writer": WRITER, "reader": READER}.get(user, set())
    if not user and name.startswith("public/"):
        allowed = READER
    actions = [action for action in actions.split(",") if action in allowed]
    return {"type": kind, "name": name, "actions": actions} if actions else None


def make_certificate(key: Path, certificate: Path):
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "30"]
    command += ["-subj", f"/CN={ISSUER}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
