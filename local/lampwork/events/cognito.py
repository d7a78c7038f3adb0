"""The events with which a user pool asks functions, its triggers.

https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
"""

from collections.abc import Mapping
from typing import Any, Final

# The caller of an operation that names no client.
NO_CLIENT: Final = "CLIENT_ID_NOT_APPLICABLE"
# What a trigger may fill in, by the first part of its source.
RESPONSES: Final[Mapping[str, Mapping[str, Any]]] = {
    "PreSignUp": {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False},
    "CustomMessage": {"smsMessage": None, "emailMessage": None, "emailSubject": None},
    "DefineAuthChallenge": {
        "challengeName": None,
        "issueTokens": None,
        "failAuthentication": None,
    },
    "CreateAuthChallenge": {
        "publicChallengeParameters": None,
        "privateChallengeParameters": None,
        "challengeMetadata": None,
    },
    "VerifyAuthChallengeResponse": {"answerCorrect": None},
    "UserMigration": {
        "userAttributes": None,
        "finalUserStatus": None,
        "messageAction": None,
        "desiredDeliveryMediums": None,
        "forceAliasCreation": None,
    },
}


def trigger_event(
    source: str,
    *,
    region: str,
    pool_id: str,
    user_name: str,
    client_id: str,
    request: Mapping[str, Any],
    version: str = "1",
) -> dict[str, Any]:
    """`source` says which trigger it is and why it runs, as in PreSignUp_AdminCreateUser."""
    return {
        "version": version,
        "triggerSource": source,
        "region": region,
        "userPoolId": pool_id,
        "userName": user_name,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client_id},
        "request": dict(request),
        "response": dict(_response(source, version)),
    }


def _response(source: str, version: str) -> Mapping[str, Any]:
    kind = source.partition("_")[0]
    if kind == "TokenGeneration":
        scoped = version != "1"
        return {"claimsAndScopeOverrideDetails" if scoped else "claimsOverrideDetails": None}
    return RESPONSES.get(kind, {})
