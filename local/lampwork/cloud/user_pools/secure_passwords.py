"""Signing in without sending the password: Cognito's form of the Secure Remote Password protocol.

moto takes any password there. The client's side is in
https://github.com/amazon-archives/amazon-cognito-identity-js/blob/master/src/AuthenticationHelper.js
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from lampwork.cloud.moto_seam.cognito import Pool, User
from lampwork.cloud.user_pools.refusals import Refused

FLOW: Final = "USER_SRP_AUTH"
VERIFIER: Final = "PASSWORD_VERIFIER"
BLOCK: Final = "PASSWORD_CLAIM_SECRET_BLOCK"
GENERATOR: Final = 2
INFO: Final = b"Caldera Derived Key\x01"
KEY_BYTES: Final = 16


@dataclass
class Exchange:
    """A sign-in between its two requests. `session` is moto's name for it."""

    pool: Pool
    user: User
    key: bytes
    session: str


class SecurePasswords:
    """Exchanges are kept in memory alone, each until the password is verified."""

    def __init__(self) -> None:
        self._exchanges: dict[str, Exchange] = {}

    def challenge(
        self, pool: Pool, user: User, asked: Mapping[str, Any], answer: dict[str, Any]
    ) -> dict[str, Any]:
        """moto's answer to a sign-in that begins, with values with which a client can prove that it
        knows the password.

        Raises:
            Refused: the client's value is none of the protocol's.
        """
        client_value = _number(asked["AuthParameters"].get("SRP_A", ""))
        if client_value % prime() == 0:
            raise Refused("InvalidParameterException", "SRP_A is not valid.")
        salt = secrets.randbits(128)
        verifier = pow(GENERATOR, _private_key(pool, user, salt), prime())
        secret = secrets.randbits(1024)
        value = (_multiplier() * verifier + pow(GENERATOR, secret, prime())) % prime()
        scrambler = int.from_bytes(_hash(_signed(client_value) + _signed(value)))
        shared = pow(client_value * pow(verifier, scrambler, prime()), secret, prime())
        block = base64.b64encode(secrets.token_bytes(48)).decode()
        parameters = answer["ChallengeParameters"]
        key = _derived(shared, scrambler)
        self._exchanges[block] = Exchange(pool, user, key, parameters["SECRET_BLOCK"])
        shown = {
            "SALT": f"{salt:x}",
            "SRP_B": f"{value:x}",
            "USER_ID_FOR_SRP": user.username,
            "SECRET_BLOCK": block,
        }
        return {**answer, "ChallengeParameters": {**parameters, **shown}}

    def verified(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The client's proof as moto takes it, once it is right.

        Raises:
            Refused: the password was another, or there is no such sign-in.
        """
        given: dict[str, str] = asked.get("ChallengeResponses") or {}
        block = given.get(BLOCK, "")
        exchange = self._exchanges.pop(block, None)
        if exchange is None or not _proves(exchange, block, given):
            raise Refused("NotAuthorizedException", "Incorrect username or password.")
        return {**asked, "ChallengeResponses": {**given, BLOCK: exchange.session}}


def _proves(exchange: Exchange, block: str, given: Mapping[str, str]) -> bool:
    name = f"{_pool_name(exchange.pool)}{exchange.user.username}".encode()
    text = name + base64.b64decode(block) + given.get("TIMESTAMP", "").encode()
    right = base64.b64encode(hmac.digest(exchange.key, text, "sha256")).decode()
    return hmac.compare_digest(right, given.get("PASSWORD_CLAIM_SIGNATURE", ""))


def _private_key(pool: Pool, user: User, salt: int) -> int:
    named = f"{_pool_name(pool)}{user.username}:{user.password}".encode()
    return int.from_bytes(_hash(_signed(salt) + _hash(named)))


def _pool_name(pool: Pool) -> str:
    return str(pool.id).partition("_")[2]


def _derived(shared: int, scrambler: int) -> bytes:
    key = hmac.digest(_signed(scrambler), _signed(shared), "sha256")
    return hmac.digest(key, INFO, "sha256")[:KEY_BYTES]


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def _signed(number: int) -> bytes:
    """A number's bytes, the first of them below 128: the protocol's are those of a signed one."""
    return number.to_bytes(number.bit_length() // 8 + 1)


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@cache
def _multiplier() -> int:
    return int.from_bytes(_hash(_signed(prime()) + _signed(GENERATOR)))


@cache
def prime() -> int:
    """The prime of 3,072 bits of RFC 3526 §4, by the formula that is given there."""
    return 2**3072 - 2**3008 - 1 + 2**64 * (_pi(2942) + 1_690_314)


def _pi(bits: int) -> int:
    """The whole part of π · 2^bits, by Machin's formula."""
    spare = 64

    def arctan(denominator: int) -> int:
        """The arc tangent of 1/denominator, times 2^(bits + spare)."""
        term = (1 << bits + spare) // denominator
        total, divisor, sign = term, 3, -1
        while term:
            term //= denominator * denominator
            total += sign * (term // divisor)
            divisor, sign = divisor + 2, -sign
        return total

    return (16 * arctan(5) - 4 * arctan(239)) >> spare
