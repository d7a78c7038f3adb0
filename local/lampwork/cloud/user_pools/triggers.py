"""The functions that a user pool asks at each step of signing up and signing in."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from lampwork.cloud.in_process import Client as Boto3Client
from lampwork.cloud.moto_seam.cognito import Client, Pool, User
from lampwork.cloud.user_pools.refusals import Refused
from lampwork.events.cognito import trigger_event

# https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
VERSIONS: Final = {"V1_0": "1", "V2_0": "2", "V3_0": "3"}


class Triggers:
    """Asks the functions in the `LambdaConfig` of a pool.

    `function_api` makes a boto3 client of Lambda, which is asked for at the first trigger.
    """

    def __init__(self, function_api: Callable[[], Boto3Client]) -> None:
        self._function_api = function_api

    def has(self, pool: Pool, trigger: str) -> bool:
        return _function(pool, trigger) is not None

    def ask(
        self,
        trigger: str,
        source: str,
        pool: Pool,
        *,
        client_id: str,
        user_name: str,
        request: Mapping[str, Any],
        version: str = "1",
    ) -> dict[str, Any]:
        """The `response` of the event that the function returns; empty if the pool has no such
        trigger.

        Raises:
            Refused: the function failed, or what it returned is no event.
        """
        function = _function(pool, trigger)
        if function is None:
            return {}
        event = trigger_event(
            source,
            region=pool.region,
            pool_id=pool.id,
            user_name=user_name,
            client_id=client_id,
            request=request,
            version=version,
        )
        answer = self._invoke(trigger, function, event)
        response = answer.get("response") if isinstance(answer, dict) else None
        if not isinstance(response, dict):
            raise Refused("InvalidLambdaResponseException", "Unrecognizable lambda output")
        return response

    def ask_about(
        self,
        trigger: str,
        source: str,
        pool: Pool,
        user: User,
        client_id: str,
        metadata: Mapping[str, str] | None = None,
        **request: Any,
    ) -> dict[str, Any]:
        """`ask` about a user of the pool, with the client's `metadata`."""
        about = {"userAttributes": attributes_of(user), **request}
        if metadata:
            about["clientMetadata"] = dict(metadata)
        return self.ask(
            trigger, source, pool, client_id=client_id, user_name=user.username, request=about
        )

    def _invoke(self, trigger: str, function: str, event: Mapping[str, Any]) -> Any:
        try:
            answer = self._function_api().invoke(
                FunctionName=function, Payload=json.dumps(event).encode()
            )
        except Exception as error:  # whatever keeps the function from running here
            raise Refused("UnexpectedLambdaException", f"{trigger} failed: {error}") from error
        payload = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            message = payload.get("errorMessage") if isinstance(payload, dict) else payload
            raise Refused(
                "UserLambdaValidationException", f"{trigger} failed with error {message}."
            )
        return payload


def token_changes(
    triggers: Triggers,
    source: str,
    pool: Pool,
    client: Client,
    user: User,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """What the trigger that is asked before tokens are made wants in them: its
    `claimsOverrideDetails`, or those with scopes."""
    version = _version(pool)
    groups = sorted(group.group_name for group in user.groups)
    roles = sorted(group.role_arn for group in user.groups if group.role_arn)
    request: dict[str, Any] = {
        "userAttributes": attributes_of(user),
        "groupConfiguration": {
            "groupsToOverride": groups,
            "iamRolesToOverride": roles,
            "preferredRole": roles[0] if roles else None,
        },
    }
    if version != "1":
        request["scopes"] = ["aws.cognito.signin.user.admin"]
    if metadata:
        request["clientMetadata"] = dict(metadata)
    response = triggers.ask(
        "PreTokenGeneration",
        source,
        pool,
        client_id=client.id,
        user_name=user.username,
        request=request,
        version=version,
    )
    kinds = ("claimsOverrideDetails", "claimsAndScopeOverrideDetails")
    return next((response[kind] for kind in kinds if response.get(kind)), {})


def changed(claims: Mapping[str, Any], use: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a token after the trigger's changes.

    Its first version changes the id token alone, and groups in both.
    """
    own = f"{use}TokenGeneration"
    scoped = any(key in details for key in ("idTokenGeneration", "accessTokenGeneration"))
    part = (details.get(own) or {}) if scoped else details if use == "id" else {}
    result = {**claims, **(part.get("claimsToAddOrOverride") or {})}
    for name in part.get("claimsToSuppress") or ():
        result.pop(name, None)
    if use == "access" and scoped:
        scopes = [*result.get("scope", "").split(), *(part.get("scopesToAdd") or ())]
        gone = part.get("scopesToSuppress") or ()
        result["scope"] = " ".join(each for each in scopes if each not in gone)
    groups = (details.get("groupOverrideDetails") or {}).get("groupsToOverride")
    if groups:
        result["cognito:groups"] = list(groups)
    return result


def attributes_of(user: User) -> dict[str, str]:
    return {**user.attribute_lookup, "cognito:user_status": _text(user.status)}


def _text(status: Any) -> str:
    return str(getattr(status, "value", status))


def _function(pool: Pool, trigger: str) -> str | None:
    config = pool.extended_config.get("LambdaConfig") or {}
    if trigger == "PreTokenGeneration":
        own = (config.get("PreTokenGenerationConfig") or {}).get("LambdaArn")
        found = own or config.get(trigger)
    else:
        found = config.get(trigger)
    return str(found) if found else None


def _version(pool: Pool) -> str:
    config = (pool.extended_config.get("LambdaConfig") or {}).get("PreTokenGenerationConfig")
    return VERSIONS.get((config or {}).get("LambdaVersion", ""), "1")
