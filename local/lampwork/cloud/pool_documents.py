import json
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam import cognito
from lampwork.http.internal_paths import POOL_DOCUMENT


class PoolDocuments:
    """The documents with which anybody verifies the tokens of a user pool.

    moto finds a service by a request's signature, and these requests have none.
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        asked = POOL_DOCUMENT.fullmatch(environ["PATH_INFO"])
        if asked is None or environ["REQUEST_METHOD"] != "GET":
            return self._app(environ, start)
        pool = cognito.find_pool(asked[1])
        if pool is None:
            status, document = "404 Not Found", {"message": f"User pool {asked[1]} does not exist."}
        elif asked[2] == "jwks.json":
            status, document = "200 OK", cognito.public_keys()
        else:
            status, document = "200 OK", _configuration(pool, environ.get("HTTP_HOST", ""))
        body = json.dumps(document).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start(status, headers)
        return [body]


def _configuration(pool: cognito.Pool, host: str) -> dict[str, Any]:
    """The issuer's name is AWS's, as the tokens have it; its keys are at the address that was
    asked. AWS's own leads a function here by TLS alone."""
    scheme = "https" if host.endswith(".amazonaws.com") else "http"
    return {
        "issuer": f"https://cognito-idp.{pool.region}.amazonaws.com/{pool.id}",
        "jwks_uri": f"{scheme}://{host}/{pool.id}/.well-known/jwks.json",
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "token"],
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
    }
