"""AWS KMS on loopback: moto's server, and one that only says no."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

REGION = "eu-central-1"
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


class Kms:
    """Answers on `url` until `close`."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.place = f"{host}:{port}"
        self.client: Any = boto3.client(
            "kms", region_name=REGION, endpoint_url=f"http://{self.place}"
        )

    def key(self, spec: str, usage: str = "SIGN_VERIFY") -> str:
        """Make a key and return its id."""
        made = self.client.create_key(KeySpec=spec, KeyUsage=usage)
        return str(made["KeyMetadata"]["KeyId"])

    def uri(self, key: str) -> str:
        """Return how policies name a key."""
        return f"awskms://{self.place}/{key}?region={REGION}"

    def close(self) -> None:
        self._server.stop()


def sign_elliptic(self: Any, message: bytes, signing_algorithm: str) -> bytes:
    """Sign as KMS does; moto 5 hashes what was sent as MessageType DIGEST once more.

    A digest is told by its length: nothing that is signed here is as short.
    """
    digest = _HASHES[signing_algorithm[-3:]]
    hashed = len(message) == digest.digest_size
    algorithm = ec.ECDSA(Prehashed(digest) if hashed else digest)
    return bytes(self.private_key.sign(message, algorithm))


def sign_rsa(self: Any, message: bytes, signing_algorithm: str) -> bytes:
    """Sign as KMS does: the salt is as long as the hash, where moto 5 takes the longest."""
    digest = _HASHES[signing_algorithm[-3:]]
    pss = padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)
    hashed = len(message) == digest.digest_size
    return bytes(self.private_key.sign(message, pss, Prehashed(digest) if hashed else digest))


class Refusing:
    """A KMS that answers every request with one error."""

    def __init__(self, code: str, message: str) -> None:
        self.asked = 0
        refusing = self
        body = json.dumps({"__type": code, "message": message}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                refusing.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(400)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
