"""Registries for the tests: Debian's docker-registry (distribution 2.8) on free loopback ports.

Each has a directory of its own: `storage/` (what it holds), `access.log` (one line for each request, in the
combined format of web servers), `registry.log` (what it says otherwise).
"""

import json
import re
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

# A registry starts within a second; on a machine that swaps it may take many.
READY_TIMEOUT_S = 60
POLL_S = 0.05
STOP_TIMEOUT_S = 10

LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


class Registry:
    """A running docker-registry; `host` is the name by which clients call it."""

    def __init__(self, name: str, parent: Path, host: str = "127.0.0.1", extra_http: str = "", extra: str = ""):
        self.name = name
        self.directory = parent / name
        self.storage = self.directory / "storage"
        self.access_log = self.directory / "access.log"
        self.own_log = self.directory / "registry.log"
        self.host = host
        self.port = None
        self.storage.mkdir(parents=True)
        self.config = self.directory / "config.yml"
        self.config.write_text(config_text(self.storage, extra_http, extra))
        self.process = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self):
        with self.access_log.open("wb") as out, self.own_log.open("wb") as err:
            command = ["docker-registry", "serve", str(self.config)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def wait(self, ca: Path = None):
        """Waits until it has a port and answers there."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while self.port is None:
            self.pause(deadline)
            found = LISTENING.search(self.own_log.read_text(errors="replace"))
            if found:
                self.port = int(found.group(1))
        while not self.answers(ca):
            self.pause(deadline)

    def pause(self, deadline: float):
        if self.process.poll() is not None:
            raise RuntimeError(f"registry {self.name} ended by itself:\n{self.own_log.read_text(errors='replace')}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"registry {self.name} was not ready after {READY_TIMEOUT_S} s; see {self.own_log}")
        time.sleep(POLL_S)

    def answers(self, ca: Path) -> bool:
        scheme = "https" if ca else "http"
        handlers = [urllib.request.ProxyHandler({})]
        if ca:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(ca))))
        try:
            with urllib.request.build_opener(*handlers).open(f"{scheme}://{self.address}/v2/", timeout=5):
                return True
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def push(layout: Path, address: str, repository: str, tag: str):
    """Puts the one image of a layout into an open registry, byte for byte. (skopeo reads no Docker types from a layout.)"""
    blob = lambda digest: (layout / "blobs" / digest.replace(":", "/")).read_bytes()
    (top,) = json.loads((layout / "index.json").read_text())["manifests"]

    def request(method: str, url: str, data=b"", content_type="application/octet-stream") -> str:
        headers = {"Content-Type": content_type}
        call = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(call, timeout=30) as answer:
            return answer.headers.get("Location")

    def push_blob(digest: str):
        location = request("POST", f"http://{address}/v2/{repository}/blobs/uploads/")
        request("PUT", f"{location}&digest={urllib.parse.quote(digest)}", blob(digest))

    def push_manifest(descriptor: dict, reference: str):
        document = json.loads(blob(descriptor["digest"]))
        for child in document.get("manifests", []):
            push_manifest(child, child["digest"])
        for child in [document["config"], *document["layers"]] if "layers" in document else []:
            push_blob(child["digest"])
        url = f"http://{address}/v2/{repository}/manifests/{reference}"
        request("PUT", url, blob(descriptor["digest"]), descriptor["mediaType"])

    push_manifest(top, tag)


def config_text(storage: Path, extra_http: str, extra: str) -> str:
    return f"""version: 0.1
log:
  level: info
  formatter: text
storage:
  filesystem:
    rootdirectory: {storage}
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
http:
  addr: 127.0.0.1:0
  secret: of-the-tests
{extra_http}{extra}"""


def tls(certificate: Path, key: Path) -> str:
    return f"  tls:\n    certificate: {certificate}\n    key: {key}\n"


def htpasswd(path: Path) -> str:
    return f"auth:\n  htpasswd:\n    realm: tls-registry\n    path: {path}\n"


def token(realm: str, service: str, issuer: str, bundle: Path) -> str:
    fields = {"realm": realm, "service": service, "issuer": issuer, "rootcertbundle": bundle}
    return "auth:\n  token:\n" + "".join(f"    {name}: {value}\n" for name, value in fields.items())


def make_ca(directory: Path):
    """A CA, and a certificate by it for localhost, hosts-only.test and 127.0.0.1: ca.crt, server.crt, server.key."""
    run = lambda *arguments: subprocess.run(
        ["openssl", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    at = lambda name: directory / name
    run("req", "-x509", *new_key, "-days", 30, "-subj", "/CN=ocitect test CA",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", at("ca.key"), "-out", at("ca.crt"))
    run("req", *new_key, "-subj", "/CN=localhost", "-keyout", at("server.key"), "-out", at("server.csr"))
    at("server.ext").write_text(
        "subjectAltName = DNS:localhost, DNS:hosts-only.test, IP:127.0.0.1\nbasicConstraints = critical, CA:FALSE\n"
        "keyUsage = critical, digitalSignature\nextendedKeyUsage = serverAuth\n"
    )
    run("x509", "-req", "-in", at("server.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial",
        "-days", 30, "-extfile", at("server.ext"), "-out", at("server.crt"))
