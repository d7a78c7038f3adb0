import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.keys import new_keys, new_signing_key
from shared.errors import InvalidToken
from shared.once import forget
from shared.security import access_tokens
from shared.security.keys import keys

NOW = datetime(2026, 4, 21, 12, 0, tzinfo=UTC)
USER, SESSION = uuid4(), uuid4()


@pytest.fixture(autouse=True)
def own_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    document = new_keys()
    monkeypatch.setenv("KEYS_JSON", json.dumps(document))
    forget()
    with time_machine.travel(NOW, tick=False):
        yield document
    forget()


def issue() -> str:
    return access_tokens.issue(
        user_id=USER,
        session_id=SESSION,
        generation=3,
        epoch=2,
        authenticated_at=NOW - timedelta(hours=1),
        expires_at=NOW + timedelta(seconds=600),
    )


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts() -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = issue().split(".")
    return json.loads(decode(header)), json.loads(decode(payload))


def sign(header: bytes, payload: bytes) -> str:
    """A token of exactly these bytes, truly signed by the current key."""
    text = f"{encode(header)}.{encode(payload)}"
    return f"{text}.{encode(keys().signing.current.private.sign(text.encode()))}"


def with_header(**changes: Any) -> str:
    header, payload = parts()
    return sign(json.dumps({**header, **changes}).encode(), json.dumps(payload).encode())


def with_claims(**changes: Any) -> str:
    header, payload = parts()
    return sign(json.dumps(header).encode(), json.dumps({**payload, **changes}).encode())


def without(claim: str) -> str:
    header, payload = parts()
    del payload[claim]
    return sign(json.dumps(header).encode(), json.dumps(payload).encode())


def unsigned(algorithm: str) -> str:
    header, payload = parts()
    header["alg"] = algorithm
    return f"{encode(json.dumps(header).encode())}.{encode(json.dumps(payload).encode())}."


def signed_with_public_key_as_secret(secret: Callable[[], bytes]) -> Callable[[], str]:
    def forge() -> str:
        header, payload = parts()
        header["alg"] = "HS256"
        text = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(payload).encode())}"
        return f"{text}.{encode(hmac.new(secret(), text.encode(), hashlib.sha256).digest())}"

    return forge


def public_bytes(encoding: Encoding) -> Callable[[], bytes]:
    form = PublicFormat.Raw if encoding is Encoding.Raw else PublicFormat.SubjectPublicKeyInfo
    return lambda: keys().signing.current.public.public_bytes(encoding, form)


def signed_by_stranger() -> str:
    header, payload = parts()
    text = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(payload).encode())}"
    return f"{text}.{encode(Ed25519PrivateKey.generate().sign(text.encode()))}"


def with_stranger_key_in_header() -> str:
    stranger = new_signing_key()
    public = {name: stranger[name] for name in ("kty", "crv", "x")}
    return with_header(jwk=public)


def with_doubled_claim() -> str:
    header, payload = parts()
    text = json.dumps(payload).replace('"sub"', f'"sub": "{uuid4()}", "sub"')
    return sign(json.dumps(header).encode(), text.encode())


def with_payload(payload: bytes) -> Callable[[], str]:
    return lambda: sign(json.dumps(parts()[0]).encode(), payload)


def resigned_as_non_canonical() -> str:
    """The last character of a 64-byte signature holds four unused bits; set one."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = issue()
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


ATTACKS: dict[str, Callable[[], str]] = {
    "no text": lambda: "",
    "no token": lambda: "not a token",
    "none": lambda: unsigned("none"),
    "nOnE": lambda: unsigned("nOnE"),
    "EdDSA without signature": lambda: unsigned("EdDSA"),
    "HS256 by the public PEM": signed_with_public_key_as_secret(public_bytes(Encoding.PEM)),
    "HS256 by the public DER": signed_with_public_key_as_secret(public_bytes(Encoding.DER)),
    "HS256 by the public bytes": signed_with_public_key_as_secret(public_bytes(Encoding.Raw)),
    "HS256 by no secret": signed_with_public_key_as_secret(lambda: b""),
    "RS256 named": lambda: with_header(alg="RS256"),
    "Ed25519 named": lambda: with_header(alg="Ed25519"),
    "stranger's signature": signed_by_stranger,
    "stranger's key in the header": with_stranger_key_in_header,
    "unknown kid": lambda: with_header(kid="unknown"),
    "path as kid": lambda: with_header(kid="../../dev/null"),
    "SQL as kid": lambda: with_header(kid="x' UNION SELECT 'key"),
    "number as kid": lambda: with_header(kid=1),
    "list as kid": lambda: with_header(kid=["x"]),
    "no kid": lambda: with_header(kid=None),
    "jku": lambda: with_header(jku="http://127.0.0.1:9/keys"),
    "x5u": lambda: with_header(x5u="http://127.0.0.1:9/key"),
    "crit": lambda: with_header(crit=["exp"]),
    "zip": lambda: with_header(zip="DEF"),
    "b64": lambda: with_header(b64=False),
    "typ JWT": lambda: with_header(typ="JWT"),
    "typ rt+jwt": lambda: with_header(typ="rt+jwt"),
    "typ in capitals": lambda: with_header(typ="AT+JWT"),
    "other issuer": lambda: with_claims(iss="https://staging.example.com"),
    "other audience": lambda: with_claims(aud="other"),
    "audiences": lambda: with_claims(aud=["lampwork"]),
    "expired 11 s ago": lambda: with_claims(exp=int(NOW.timestamp()) - 11),
    "from the future": lambda: with_claims(iat=int(NOW.timestamp()) + 60),
    "not yet": lambda: with_claims(nbf=int(NOW.timestamp()) + 60),
    "exp as text": lambda: with_claims(exp=str(int(NOW.timestamp()) + 60)),
    "exp as fraction": lambda: with_claims(exp=NOW.timestamp() + 60.5),
    "exp as true": lambda: with_claims(exp=True),
    "exp too far": lambda: with_claims(exp=10**30),
    "lives too long": lambda: with_claims(exp=int(NOW.timestamp()) + 3600),
    "sub no UUID": lambda: with_claims(sub="admin"),
    "sub in another form": lambda: with_claims(sub=USER.hex),
    "sub in capitals": lambda: with_claims(sub="ABCDEFAB-CDEF-4ABC-8DEF-ABCDEFABCDEF"),
    "sub a number": lambda: with_claims(sub=1),
    "sid an object": lambda: with_claims(sid={"$ne": None}),
    "jti empty": lambda: with_claims(jti=""),
    "gen negative": lambda: with_claims(gen=-1),
    "ep as text": lambda: with_claims(ep="2"),
    "amr as text": lambda: with_claims(amr="pwd"),
    "claim nobody knows": lambda: with_claims(role="admin"),
    "claim twice": with_doubled_claim,
    "payload a list": with_payload(b"[]"),
    "payload a number": with_payload(b"1"),
    "payload NaN": with_payload(b'{"exp": NaN}'),
    "payload deep": with_payload(b"[" * 1400),
    "payload with thousands of digits": with_payload(b'{"exp": ' + b"9" * 2500 + b"}"),
    "payload no UTF-8": with_payload(b"\xff\xfe"),
    "padding": lambda: issue() + "==",
    "a fourth part": lambda: issue() + ".",
    "two parts": lambda: issue().rpartition(".")[0],
    "unused bits set": resigned_as_non_canonical,
    "line end": lambda: issue() + "\n",
    "full-width letters": lambda: issue().replace("e", "\uff45", 1),
    "5 KiB": lambda: with_claims(amr=["x" * 5000]),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_forged_token_is_refused(attack: str):
    token = ATTACKS[attack]()

    with pytest.raises(InvalidToken):
        access_tokens.read(token)


@pytest.mark.parametrize("claim", access_tokens.REQUIRED_CLAIMS)
def test_a_token_without_a_required_claim_is_refused(claim: str):
    token = without(claim)

    with pytest.raises(InvalidToken):
        access_tokens.read(token)


def test_a_token_says_who_and_since_when_and_no_more():
    claims = access_tokens.read(issue())
    _, payload = parts()

    assert (claims.user_id, claims.session_id) == (USER, SESSION)
    assert (claims.generation, claims.epoch) == (3, 2)
    assert claims.authenticated_at == NOW - timedelta(hours=1)
    assert claims.expires_at == NOW + timedelta(seconds=600)
    assert claims.methods == ("pwd",)
    assert UUID(str(claims.token_id)).version == 4
    assert set(payload) == set(access_tokens.REQUIRED_CLAIMS)


def test_clocks_may_differ_by_ten_seconds():
    token = issue()

    with time_machine.travel(NOW + timedelta(seconds=609), tick=False):
        assert access_tokens.read(token).user_id == USER
    with time_machine.travel(NOW - timedelta(seconds=9), tick=False):
        assert access_tokens.read(token).user_id == USER
    with (
        time_machine.travel(NOW + timedelta(seconds=611), tick=False),
        pytest.raises(InvalidToken),
    ):
        access_tokens.read(token)


def test_an_expired_token_still_tells_its_session_to_who_asks_for_that():
    token = issue()

    with time_machine.travel(NOW + timedelta(days=30), tick=False):
        claims = access_tokens.read(token, even_expired=True)

    assert claims.session_id == SESSION


@pytest.mark.case("D20")
def test_a_key_verifies_while_it_is_the_previous_one_and_not_when_it_is_retired(
    own_keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    token = issue()
    previous = {name: text for name, text in own_keys["signing"]["current"].items() if name != "d"}
    fresh = new_signing_key()

    monkeypatch.setenv(
        "KEYS_JSON", json.dumps({**own_keys, "signing": {"current": fresh, "previous": previous}})
    )
    forget()
    while_previous = access_tokens.read(token)
    monkeypatch.setenv("KEYS_JSON", json.dumps({**own_keys, "signing": {"current": fresh}}))
    forget()

    assert while_previous.user_id == USER
    with pytest.raises(InvalidToken):
        access_tokens.read(token)


def test_tokens_are_what_other_libraries_read():
    key = keys().signing.current

    payload = jwt.decode(issue(), key.public, algorithms=["EdDSA"], audience="lampwork")

    assert payload["sub"] == str(USER)
    assert jwt.get_unverified_header(issue()) == {
        "alg": "EdDSA",
        "kid": key.kid,
        "typ": "at+jwt",
    }
