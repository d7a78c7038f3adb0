"""An issuer of tokens with an address of its own, as an identity provider has."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


class Issuer:
    """An issuer of tokens; `fetched` counts how often its keys were read."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.fetched = 0
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, *, key_id: str = "first", algorithm: str = "RS256", **claims: Any) -> str:
        """A token for the audience `web` that is valid for a minute, with these claims changed."""
        content = {"iss": self.url, "aud": "web", "exp": time.time() + 60, "sub": "ada", **claims}
        content = {name: value for name, value in content.items() if value is not None}
        key = self._key if algorithm.startswith("RS") else "a shared secret of thirty-two bytes."
        return jwt.encode(content, key, algorithm, headers={"kid": key_id})

    def document(self, path: str) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            self.fetched += 1
            public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
            return {"keys": [{**public, "kid": "first", "alg": "RS256"}]}
        return None


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = issuer.document(self.path)
            self.send_response(404 if document is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
