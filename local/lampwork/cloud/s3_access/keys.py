"""Access keys, and the signatures that are made with their secrets."""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Final

from lampwork.cloud.moto_seam import access_keys
from lampwork.cloud.s3_access.refusals import unknown_key
from lampwork.companions.aws import ACCESS_KEY, CREDENTIALS, PROJECTS_KEY, SECRET_KEY

ELSEWHERE: Final = {
    "local": "local",  # what functions have without the variables of the services
    # What moto answers whoever asks STS for a session or a federation token.
    "AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY",
}


class Secrets:
    """The secrets of the access keys that exist here: what functions are given, and what IAM and
    STS have made.

    `given` are variables that may name the key that the project gives to its functions.
    """

    def __init__(self, given: Mapping[str, str] = os.environ) -> None:
        own, other = given.get(PROJECTS_KEY, "").partition(":")[::2]
        self._given = {**ELSEWHERE, own: other, CREDENTIALS[ACCESS_KEY]: CREDENTIALS[SECRET_KEY]}

    def of(self, access_key: str) -> str:
        """The secret of a key.

        Raises:
            Refused: there is no such key.
        """
        secret = self._given.get(access_key) or access_keys.secret(access_key)
        if not secret:
            raise unknown_key(access_key)
        return secret


def version_4(secret: str, scope: str, text: str) -> str:
    """The signature of a text by Signature Version 4; `scope` is date/region/service/aws4_request.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()


def version_2(secret: str, text: str) -> str:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html"""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha1)).decode()


def is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
