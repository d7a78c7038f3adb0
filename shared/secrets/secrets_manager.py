"""Reads one secret of AWS Secrets Manager.

boto3 would take a third of a second of processor time before the first request of functions that
need nothing else of it, so the call is made and signed here:
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shared.secrets.store import SecretUnreadable

TIMEOUT_SECONDS = 2.0
TRIES = 2
SERVICE = "secretsmanager"
ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    key_id: str
    secret: str
    token: str | None


def read(arn: str, environment: Mapping[str, str]) -> str:
    """The text of the secret with this ARN, in its current version.

    Raises:
        SecretUnreadable: with the service's name of the error, or what is missing here.
    """
    match arn.split(":"):
        case ["arn", partition, "secretsmanager", region, _account, "secret", _name]:
            endpoint = _endpoint(partition, region, environment)
        case _:
            raise SecretUnreadable("SECRET_ARN is no ARN of a secret")
    body = json.dumps({"SecretId": arn}).encode()
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urlsplit(endpoint).netloc,
        "x-amz-target": f"{SERVICE}.GetSecretValue",
    }
    signed = sign(headers, body, region, _credentials(environment), datetime.now(UTC))
    for _ in range(TRIES):
        status, answer = _send("POST", endpoint, signed, body)
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            break
    if status != HTTPStatus.OK:
        raise SecretUnreadable(f"Secrets Manager answered {status} {_kind(answer)}".rstrip())
    text = _document(answer).get("SecretString")
    if not isinstance(text, str):
        raise SecretUnreadable("the secret holds no text")
    return text


def sign(
    headers: Mapping[str, str],
    body: bytes,
    region: str,
    credentials: Credentials,
    now: datetime,
) -> dict[str, str]:
    """The headers of a POST to `/`, with those of the signature. Names are in lower case."""
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "x-amz-date": moment}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(signed)
    lines = [f"{name}:{signed[name].strip()}" for name in names]
    request = "\n".join(["POST", "/", "", *lines, "", ";".join(names), _digest(body)])
    scope = f"{moment[:8]}/{region}/{SERVICE}/aws4_request"
    text = "\n".join([ALGORITHM, moment, scope, _digest(request.encode())])
    key = b"AWS4" + credentials.secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return signed | {
        "authorization": f"{ALGORITHM} Credential={credentials.key_id}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _endpoint(partition: str, region: str, environment: Mapping[str, str]) -> str:
    """Where boto3 would ask: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html"""
    for name in ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"):
        if environment.get(name):
            return environment[name]
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    return f"https://{SERVICE}.{region}.{suffix}"


def _credentials(environment: Mapping[str, str]) -> Credentials:
    """Those that Lambda puts into variables, or serves at a local address to functions with
    SnapStart and to containers:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"""
    key_id, secret = (
        environment.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    )
    if key_id and secret:
        return Credentials(key_id, secret, environment.get("AWS_SESSION_TOKEN"))
    address = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not address:
        raise SecretUnreadable("there are no credentials to ask Secrets Manager with")
    status, answer = _send("GET", address, _authorization(environment), b"")
    served = _document(answer)
    try:
        return Credentials(served["AccessKeyId"], served["SecretAccessKey"], served.get("Token"))
    except KeyError:
        raise SecretUnreadable(f"the credentials' address answered {status}") from None


def _authorization(environment: Mapping[str, str]) -> dict[str, str]:
    token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    if file := environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        try:
            token = Path(file).read_text().strip()
        except OSError as error:
            raise SecretUnreadable(f"the credentials' token: {error.strerror}") from None
    return {"authorization": token} if token else {}


def _send(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """The status and body of an answer; 503 if there is none."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return (
            HTTPStatus.SERVICE_UNAVAILABLE.value,
            json.dumps({"__type": type(error).__name__}).encode(),
        )
    finally:
        connection.close()


def _document(answer: bytes) -> dict[str, Any]:
    try:
        document = json.loads(answer)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _kind(answer: bytes) -> str:
    """The name of the error, without the text, which may quote what was sent."""
    return str(_document(answer).get("__type", "")).rpartition("#")[2]
