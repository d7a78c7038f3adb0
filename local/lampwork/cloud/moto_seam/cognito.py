"""moto's user pools and identity pools."""

import copyreg
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from moto.cognitoidp.models import (
    CognitoIdpUser,
    CognitoIdpUserPool,
    CognitoIdpUserPoolClient,
    UserStatus,
)
from moto.cognitoidp.responses import CognitoIdpJsonWebKeyResponse
from moto.utilities.utils import load_resource

from lampwork.cloud.moto_seam.backends import backend, present

Pool = CognitoIdpUserPool
Client = CognitoIdpUserPoolClient
User = CognitoIdpUser

CreateToken = Callable[[Pool, str, User, str, Mapping[str, Any]], tuple[str, int]]
"""Makes a token of a pool for the client with this id and a user: the token's use ("id" or
"access"), and what moto has to say in it. Returns the token and its seconds."""


def find_pool(pool_id: str) -> Pool | None:
    """A user pool in any region; its id begins with the region."""
    for _, state in present("cognito-idp"):
        if pool_id in state.user_pools:
            pool: Pool = state.user_pools[pool_id]
            return pool
    return None


def pool_of_client(client_id: str) -> Pool | None:
    for _, state in present("cognito-idp"):
        for pool in list(state.user_pools.values()):
            if client_id in pool.clients:
                found: Pool = pool
                return found
    return None


def rename_pool(region: str, made: str, wanted: str) -> None:
    """Give a pool that moto has just made the id that the template's references have."""
    pools = backend("cognito-idp", region).user_pools
    pool = pools.pop(made)
    pool.arn = pool.arn.replace(made, wanted)
    pool.id = wanted
    pools[wanted] = pool


def rename_client(pool_id: str, made: str, wanted: str, secret: str) -> None:
    pool = find_pool(pool_id)
    if pool is None:
        raise LookupError(f"There is no user pool {pool_id}.")
    client = pool.clients.pop(made)
    client.id, client.secret = wanted, secret
    pool.clients[wanted] = client


def rename_identity_pool(region: str, made: str, wanted: str) -> None:
    pools = backend("cognito-identity", region).identity_pools
    pool = pools.pop(made)
    pool.identity_pool_id = wanted
    pools[wanted] = pool


def find_user(pool: Pool, username: str) -> User | None:
    """A user by name, or by the address that the pool takes in place of a name."""
    found: User | None = pool._get_user(username)
    return found


def is_unconfirmed(user: User) -> bool:
    return user.status is UserStatus.UNCONFIRMED


def is_confirmed(user: User) -> bool:
    return user.status is UserStatus.CONFIRMED


def code_of(user: User) -> str | None:
    """The code that the user was sent last, until it is used."""
    code: str | None = user.confirmation_code
    return code


def set_code(user: User, code: str | None) -> None:
    user.confirmation_code = code


def confirm_with_password(user: User, password: str) -> None:
    user.password = password
    user.status = UserStatus.CONFIRMED


def log_in(pool: Pool, client: Client, user: User) -> dict[str, Any]:
    """Tokens for a user, in the form of the answer of InitiateAuth."""
    backend: Any = pool.backend
    answer: dict[str, Any] = backend._log_user_in(pool, client, user.username)
    return answer


def make_tokens(create: CreateToken) -> None:
    """From now on, `create` makes the tokens of all pools."""

    def create_jwt(
        pool: Pool,
        client_id: str,
        username: str,
        token_use: str,
        expires_in: int = 3600,
        extra_data: Mapping[str, Any] | None = None,
    ) -> tuple[str, int]:
        return create(pool, client_id, pool._get_user(username), token_use, extra_data or {})

    kind: Any = CognitoIdpUserPool
    kind.create_jwt = create_jwt


def signed(pool: Pool, claims: Mapping[str, Any]) -> str:
    """A token that says this, signed by the key that `public_keys` verifies."""
    (key,) = public_keys()["keys"]
    return jwt.encode({"kid": key["kid"], "alg": "RS256"}, dict(claims), pool.json_web_key)


def public_keys() -> Any:
    """The key set with which the tokens of all pools can be verified."""
    return json.loads(CognitoIdpJsonWebKeyResponse.json_web_key)


def keep_signing_keys() -> None:
    """Let pools be stored. All of them sign with the one key that moto brings, so it is not
    stored with each of them."""
    copyreg.pickle(RSAKey, _as_signing_key)


def _as_signing_key(key: RSAKey) -> tuple[Any, tuple[()]]:
    return signing_key, ()


@cache
def signing_key() -> RSAKey:
    return RSAKey.import_key(load_resource("cognitoidp/resources/jwks-private.json"))
