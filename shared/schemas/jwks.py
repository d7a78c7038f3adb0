from typing import Literal

from pydantic import Field

from shared.schemas.base import ResponseBody


class PublicKey(ResponseBody):
    """An Ed25519 key that verifies access tokens (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    kid: str
    x: str
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA"] = "EdDSA"


class PublicKeySet(ResponseBody):
    keys: list[PublicKey] = Field(description="Match `kid`; refuse a token of an unknown one.")
