"""Access tokens as an attacker, or a careless issuer with our key, would write them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.keys import new_signing_key
from shared import clock
from shared.security.keys import keys
from tests.catalogue.cases import case

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Genuine:
    """A valid token, and the forgeries that can be made from it."""

    token: str

    @property
    def header(self) -> dict[str, Any]:
        return self._part(0)

    @property
    def payload(self) -> dict[str, Any]:
        return self._part(1)

    def with_header(self, **changes: Any) -> str:
        return sign({**self.header, **changes}, self.payload)

    def with_claims(self, **changes: Any) -> str:
        return sign(self.header, {**self.payload, **changes})

    def without(self, claim: str) -> str:
        return sign(
            self.header, {name: value for name, value in self.payload.items() if name != claim}
        )

    def with_payload(self, payload: bytes) -> str:
        return sign(self.header, payload)

    def unsigned(self, algorithm: str) -> str:
        return f"{_text({**self.header, 'alg': algorithm}, self.payload)}."

    def signed_with_secret(self, secret: bytes) -> str:
        text = _text({**self.header, "alg": "HS256"}, self.payload)
        return f"{text}.{encode(hmac.digest(secret, text.encode(), hashlib.sha256))}"

    def signed_by_attacker(self) -> str:
        text = _text(self.header, self.payload)
        return f"{text}.{encode(Ed25519PrivateKey.generate().sign(text.encode()))}"

    def with_doubled_claim(self) -> str:
        text = json.dumps(self.payload).replace('"sub"', f'"sub": "{uuid4()}", "sub"')
        return sign(self.header, text.encode())

    def with_unused_bits(self) -> str:
        """The last character of a 64-byte signature holds four unused bits: set one."""
        return self.token[:-1] + ALPHABET[ALPHABET.index(self.token[-1]) + 1]

    def _part(self, number: int) -> dict[str, Any]:
        part: dict[str, Any] = json.loads(decode(self.token.split(".")[number]))
        return part


def sign(header: dict[str, Any], payload: dict[str, Any] | bytes) -> str:
    """A token that says exactly this, truly signed by the current key."""
    text = _text(header, payload)
    return f"{text}.{encode(keys().signing.current.private.sign(text.encode()))}"


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(header: dict[str, Any], payload: dict[str, Any] | bytes) -> str:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"{encode(json.dumps(header).encode())}.{encode(body)}"


def _public_key(encoding: Encoding) -> bytes:
    form = PublicFormat.Raw if encoding is Encoding.Raw else PublicFormat.SubjectPublicKeyInfo
    return keys().signing.current.public.public_bytes(encoding, form)


def _public_jwk() -> bytes:
    return keys().signing.current.model_dump_json(include={"kty", "crv", "kid", "x"}).encode()


def _seconds(offset: int) -> int:
    return int(clock.now().timestamp()) + offset


def _attacker_jwk() -> dict[str, Any]:
    key = new_signing_key()
    return {name: key[name] for name in ("kty", "crv", "x")}


def forgery(identifier: str, name: str, forge: Callable[[Genuine], str]) -> Any:
    return case(identifier, forge, name=name)


FORGERIES = [
    forgery("D12", "no text", lambda real: ""),
    forgery("D12", "no token", lambda real: "not a token"),
    forgery("D1", "none", lambda real: real.unsigned("none")),
    forgery("D1", "nOnE", lambda real: real.unsigned("nOnE")),
    forgery("D1", "EdDSA without signature", lambda real: real.unsigned("EdDSA")),
    forgery("D2", "PEM", lambda real: real.signed_with_secret(_public_key(Encoding.PEM))),
    forgery("D2", "DER", lambda real: real.signed_with_secret(_public_key(Encoding.DER))),
    forgery("D2", "raw bytes", lambda real: real.signed_with_secret(_public_key(Encoding.Raw))),
    forgery("D2", "JWK", lambda real: real.signed_with_secret(_public_jwk())),
    forgery("D2", "no secret", lambda real: real.signed_with_secret(b"")),
    forgery("D2", "RS256 named", lambda real: real.with_header(alg="RS256")),
    forgery("D2", "Ed25519 named", lambda real: real.with_header(alg="Ed25519")),
    forgery("D4", "attacker's signature", lambda real: real.signed_by_attacker()),
    forgery("D4", "jwk", lambda real: real.with_header(jwk=_attacker_jwk())),
    forgery("D4", "jku", lambda real: real.with_header(jku="http://127.0.0.1:9/keys")),
    forgery("D4", "x5u", lambda real: real.with_header(x5u="http://127.0.0.1:9/key")),
    forgery("D3", "unknown kid", lambda real: real.with_header(kid="unknown")),
    forgery("D3", "path as kid", lambda real: real.with_header(kid="../../dev/null")),
    forgery("D3", "SQL as kid", lambda real: real.with_header(kid="x' UNION SELECT 'key")),
    forgery("D3", "number as kid", lambda real: real.with_header(kid=1)),
    forgery("D3", "list as kid", lambda real: real.with_header(kid=["x"])),
    forgery("D3", "no kid", lambda real: real.with_header(kid=None)),
    forgery("D4", "crit", lambda real: real.with_header(crit=["exp"])),
    forgery("D4", "zip", lambda real: real.with_header(zip="DEF")),
    forgery("D4", "b64", lambda real: real.with_header(b64=False)),
    forgery("D10", "typ JWT", lambda real: real.with_header(typ="JWT")),
    forgery("D10", "typ rt+jwt", lambda real: real.with_header(typ="rt+jwt")),
    forgery("D10", "typ in capitals", lambda real: real.with_header(typ="AT+JWT")),
    forgery("D23", "issuer", lambda real: real.with_claims(iss="https://staging.example.com")),
    forgery("D7", "other issuer", lambda real: real.with_claims(iss="lampwork")),
    forgery("D7", "other audience", lambda real: real.with_claims(aud="other")),
    forgery("D7", "audiences", lambda real: real.with_claims(aud=["lampwork"])),
    forgery("D5", "expired", lambda real: real.with_claims(exp=_seconds(-11))),
    forgery("D6", "from the future", lambda real: real.with_claims(iat=_seconds(60))),
    forgery("D6", "not yet", lambda real: real.with_claims(nbf=_seconds(60))),
    forgery("D9", "exp as text", lambda real: real.with_claims(exp=str(_seconds(60)))),
    forgery("D9", "exp as fraction", lambda real: real.with_claims(exp=_seconds(60) + 0.5)),
    forgery("D9", "exp as true", lambda real: real.with_claims(exp=True)),
    forgery("D9", "exp too far", lambda real: real.with_claims(exp=10**30)),
    forgery("D9", "lives too long", lambda real: real.with_claims(exp=_seconds(3600))),
    forgery("D22", "word", lambda real: real.with_claims(sub="admin")),
    forgery("D22", "no dashes", lambda real: real.with_claims(sub=uuid4().hex)),
    forgery(
        "D22",
        "capitals",
        lambda real: real.with_claims(sub="ABCDEFAB-CDEF-4ABC-8DEF-ABCDEFABCDEF"),
    ),
    forgery("D22", "number", lambda real: real.with_claims(sub=1)),
    forgery("D14", "sid an object", lambda real: real.with_claims(sid={"$ne": None})),
    forgery("D9", "jti empty", lambda real: real.with_claims(jti="")),
    forgery("D9", "gen negative", lambda real: real.with_claims(gen=-1)),
    forgery("D9", "ep as text", lambda real: real.with_claims(ep="2")),
    forgery("D9", "amr as text", lambda real: real.with_claims(amr="pwd")),
    forgery("D9", "claim nobody knows", lambda real: real.with_claims(role="admin")),
    forgery("D13", "sub twice", lambda real: real.with_doubled_claim()),
    forgery("D9", "payload a list", lambda real: real.with_payload(b"[]")),
    forgery("D9", "payload a number", lambda real: real.with_payload(b"1")),
    forgery("D9", "payload NaN", lambda real: real.with_payload(b'{"exp": NaN}')),
    forgery("D9", "payload deep", lambda real: real.with_payload(b"[" * 1400)),
    forgery(
        "D9",
        "thousands of digits",
        lambda real: real.with_payload(b'{"exp": ' + b"9" * 2500 + b"}"),
    ),
    forgery("D9", "payload no UTF-8", lambda real: real.with_payload(b"\xff\xfe")),
    forgery("D12", "padding", lambda real: real.token + "=="),
    forgery("D12", "a fourth part", lambda real: real.token + "."),
    forgery("D12", "two parts", lambda real: real.token.rpartition(".")[0]),
    forgery("D12", "unused bits set", lambda real: real.with_unused_bits()),
    forgery("D16", "5 KiB", lambda real: real.with_claims(amr=["x" * 5000])),
    forgery("D16", "a megabyte", lambda real: "x" * 1024 * 1024),
]
