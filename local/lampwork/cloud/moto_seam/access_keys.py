"""The access keys that moto's IAM and STS have made."""

from lampwork.cloud.moto_seam.backends import backend

PARTITION = "aws"  # moto has one IAM and one STS for all regions of a partition


def secret(access_key: str) -> str | None:
    """The secret of a user's key or of an assumed role's; None if there is no such key."""
    made = backend("iam", PARTITION).access_keys.get(access_key)
    found: str | None = made.secret_access_key if made else None
    return found
