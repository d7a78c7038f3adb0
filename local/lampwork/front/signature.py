import re

from lampwork.http.request import Request
from lampwork.stack.model import ACCOUNT_ID

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")


def is_signed(request: Request) -> bool:
    """Whether the request carries a signature (SigV4) in its Authorization header or its query.

    The signature is not verified, because the emulator knows no secret keys.
    """
    authorization = request.header("authorization") or ""
    return authorization.startswith("AWS4-HMAC-SHA256 ") or "X-Amz-Signature=" in request.query


def caller(request: Request) -> dict[str, str | None]:
    """The signer of the request, in the form of an event's `authorizer.iam`."""
    credential = CREDENTIAL.search(request.header("authorization") or "")
    key = credential[1] if credential else "local"
    return {
        "accessKey": key,
        "accountId": ACCOUNT_ID,
        "callerId": key,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{ACCOUNT_ID}:user/local",
        "userId": key,
    }
