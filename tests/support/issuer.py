"""An OpenID Connect issuer on loopback: keys, tokens, and the HTTP server that publishes the keys."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections import Counter
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
AUDIENCE = "llm"
DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"


def private_key(algorithm: str) -> PrivateKey:
    """A new key for an algorithm of RFC 7518."""
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm.startswith("ES"):
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        return ec.generate_private_key(curves[algorithm])
    return rsa.generate_private_key(65537, 2048)


class Issuer:
    """Issues tokens, and publishes its keys until it is stopped.

    Attributes:
        published: the public keys, as JWKs.
        responses: bodies, or statuses with headers, that replace the regular responses of paths.
        requests: number of requests by path.
    """

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        self.responses: dict[str, bytes | tuple[int, dict[str, str]]] = {}
        self.requests: Counter[str] = Counter()
        self._private: dict[str, tuple[PrivateKey, str]] = {}
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests[self.path] += 1
                response = issuer.responses.get(self.path) or issuer.document(self.path)
                status, headers = response if isinstance(response, tuple) else (200, {})
                body = b"" if isinstance(response, tuple) else response
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # Polling seldom would make each stop take half a second.
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def document(self, path: str) -> bytes | tuple[int, dict[str, str]]:
        """The regular response to a path."""
        documents: dict[str, Any] = {
            DISCOVERY: {"issuer": self.url, "jwks_uri": self.url + KEYS},
            KEYS: {"keys": self.published},
        }
        return json.dumps(documents[path]).encode() if path in documents else (404, {})

    def add_key(
        self, kid: str, algorithm: str = "ES256", key: PrivateKey | None = None, **members: Any
    ) -> dict[str, Any]:
        """Publish a key, by default a new one; returns its JWK."""
        key = key or private_key(algorithm)
        self._private[kid] = key, algorithm
        jwk = json.loads(get_default_algorithms()[algorithm].to_jwk(key.public_key()))
        # Some of its members would bind the key to one algorithm.
        public = {name: value for name, value in jwk.items() if name not in ("key_ops", "alg")}
        self.published.append({**public, "kid": kid, "use": "sig", **members})
        return self.published[-1]

    def token(self, kid: str, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is valid for five minutes; claims replace the regular ones, None removes one."""
        return self.sign(kid, self.claims(**claims), headers)

    def sign(self, kid: str, claims: dict[str, Any], headers: dict[str, Any] | None = None) -> str:
        """A token with exactly these claims."""
        key, algorithm = self._private[kid]
        members = {"kid": kid, "typ": "JWT", **(headers or {})}
        present = {name: value for name, value in members.items() if value is not None}
        # Not as a JWT, whose encoder refuses invalid claims.
        return jwt.api_jws.encode(json.dumps(claims).encode(), key, algorithm, headers=present)

    def private(self, kid: str) -> PrivateKey:
        """A private key."""
        return self._private[kid][0]

    def claims(self, **claims: Any) -> dict[str, Any]:
        """The regular claims of a token, changed."""
        now = int(time.time())
        regular = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300}
        return {name: value for name, value in {**regular, **claims}.items() if value is not None}

    def stop(self) -> None:
        """Stop the HTTP server; connections are refused from then on."""
        self._server.shutdown()
        self._server.server_close()
