import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

from shared.errors import SettingsError


def named_region() -> str | None:
    """AWS_REGION, for clients of boto3, which reads AWS_DEFAULT_REGION alone: None if that is set.

    Lambda sets both. People and other platforms set what AWS's other clients read.
    """
    return None if os.environ.get("AWS_DEFAULT_REGION") else os.environ.get("AWS_REGION")


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests to one AWS service as boto3's client does, and does nothing else."""

    service: str
    region: str
    credentials: Callable[[], Any]
    method: type[SigV4Auth] = SigV4Auth

    @classmethod
    def of_process(
        cls, service: str, method: type[SigV4Auth] = SigV4Auth, *, region: str | None = None
    ) -> Self:
        """With the credentials that boto3 would use, and in its region unless one is given.

        Raises:
            SettingsError: there are no credentials, or there is no region.
        """
        session = Session()
        stored = session.get_credentials()
        if stored is None:
            raise SettingsError(
                f"AWS_ACCESS_KEY_ID: there are no credentials to sign calls of {service} with"
            )
        region = region or named_region() or session.get_config_variable("region")
        if not region:
            raise SettingsError(f"AWS_REGION: there is no region to sign calls of {service} for")
        return cls(service, region, stored.get_frozen_credentials, method)

    def sign(
        self, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> dict[str, str]:
        """The headers, with those of the signature added. Give Host if the client does not add
        it."""
        request = AWSRequest(method, url, headers=headers, data=body)
        self.method(self.credentials(), self.service, self.region).add_auth(request)
        return dict(request.headers)
