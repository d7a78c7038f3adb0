"""Which ways to sign in an app client allows.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html
"""

from typing import Any, Final

from lampwork.cloud.moto_seam.cognito import Client
from lampwork.cloud.user_pools.refusals import Refused

DEFAULT: Final = frozenset({"ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"})
# A flow, the setting that allows it, and Cognito's words where a client has not this setting.
FLOWS: Final = {
    "USER_PASSWORD_AUTH": (
        "ALLOW_USER_PASSWORD_AUTH",
        "USER_PASSWORD_AUTH flow not enabled for this client",
    ),
    "ADMIN_USER_PASSWORD_AUTH": (
        "ALLOW_ADMIN_USER_PASSWORD_AUTH",
        "Auth flow not enabled for this client",
    ),
    "ADMIN_NO_SRP_AUTH": (
        "ALLOW_ADMIN_USER_PASSWORD_AUTH",
        "Auth flow not enabled for this client",
    ),
    "USER_SRP_AUTH": (
        "ALLOW_USER_SRP_AUTH",
        "USER_SRP_AUTH is not enabled for the client.",
    ),
    "CUSTOM_AUTH": ("ALLOW_CUSTOM_AUTH", "CUSTOM_AUTH is not enabled for the client."),
    "REFRESH_TOKEN_AUTH": (
        "ALLOW_REFRESH_TOKEN_AUTH",
        "Refresh Token flow not enabled for this client",
    ),
    "REFRESH_TOKEN": (
        "ALLOW_REFRESH_TOKEN_AUTH",
        "Refresh Token flow not enabled for this client",
    ),
}
# Values of clients that are older than those which begin with ALLOW_, as they are called today.
LEGACY: Final = {
    "ADMIN_NO_SRP_AUTH": "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "CUSTOM_AUTH_FLOW_ONLY": "ALLOW_CUSTOM_AUTH",
    "USER_PASSWORD_AUTH": "ALLOW_USER_PASSWORD_AUTH",
}


def check_flow(client: Client, flow: Any) -> None:
    """
    Raises:
        Refused: the client does not allow this flow. moto refuses one that does not exist.
    """
    setting, refusal = FLOWS.get(flow, ("", ""))
    if setting and setting not in _allowed(client):
        raise Refused("InvalidParameterException", refusal)


def _allowed(client: Client) -> frozenset[str]:
    given: list[str] = client.extended_config.get("ExplicitAuthFlows") or []
    old = {LEGACY[value] for value in given if value in LEGACY}
    if old or not given:
        return DEFAULT | old
    return frozenset(given)
