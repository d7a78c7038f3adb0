import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lampwork.clock import CLOCK
from lampwork.errors import LampworkError
from lampwork.events.caller import Caller
from lampwork.front.authorizers.answer_cache import AnswerCache
from lampwork.front.authorizers.policy import allows
from lampwork.front.authorizers.refusals import AuthorizerFailed, Denied, Unauthenticated
from lampwork.invocation.port import Invocation, Invoker
from lampwork.invocation.timed_call import IntegrationTimeout, call
from lampwork.json_text import parsed
from lampwork.stack.authorization import LambdaAuthorizer

logger = logging.getLogger(__name__)

UNAUTHORIZED = "Unauthorized"


class FunctionAuthorizer:
    """Asks a function who a caller is. Keeps each answer as long as the template allows."""

    def __init__(
        self,
        authorizer: LambdaAuthorizer,
        invoker: Invoker,
        *,
        timeout_seconds: float,
        time_scale: float = 1,
        clock: Callable[[], float] = CLOCK.monotonic,
    ) -> None:
        self._authorizer = authorizer
        self._invoker = invoker
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._answers = AnswerCache(authorizer.ttl_seconds * time_scale)

    async def ask(
        self, key: tuple[str, ...], arn: str, event: Callable[[], dict[str, Any]]
    ) -> Caller:
        """The caller of the method `arn`.

        `key` holds the values of the caller's identity sources; an empty key is never cached.
        `event` is called only if the function must be asked. A cached policy is evaluated again for
        each method.

        Raises:
            Unauthenticated: the function failed with the text "Unauthorized".
            Denied: the function's answer or its policy denies the call.
            AuthorizerFailed: the function failed otherwise, or its answer has an unknown form.
        """
        began = self._clock()
        answer = self._answers.get(key, began) if key else None
        if answer is None:
            answer = await self._answer(event())
            if key:
                self._answers.put(key, self._clock(), answer)
        identity = self._identity(answer, arn)
        return replace(identity, latency_ms=round((self._clock() - began) * 1000))

    async def _answer(self, event: dict[str, Any]) -> dict[str, object]:
        name = self._authorizer.function
        try:
            invocation = await call(self._invoker, name, event, self._timeout_seconds)
        except (LampworkError, IntegrationTimeout) as error:
            raise self._failed(str(error)) from error
        if invocation.function_error:
            if _message(invocation) == UNAUTHORIZED:
                raise Unauthenticated
            raise self._failed("the function failed")
        answer = _object(invocation.payload)
        if answer is None:
            raise self._failed("its answer is not a JSON object")
        return answer

    def _identity(self, answer: Mapping[str, object], arn: str) -> Caller:
        context = answer.get("context") or {}
        if not isinstance(context, dict):
            raise self._failed("its context is not an object")
        if self._authorizer.simple_responses:
            if not isinstance(answer.get("isAuthorized"), bool):
                raise self._failed("its answer has no isAuthorized")
            if not answer["isAuthorized"]:
                raise Denied(explicit=True)
            return Caller("lambda", context)
        principal = answer.get("principalId")
        if not isinstance(principal, str):
            raise self._failed("its answer has no principalId")
        try:
            allowed, explicit = allows(answer.get("policyDocument"), arn)
        except AuthorizerFailed as error:
            raise self._failed(str(error)) from error
        if not allowed:
            raise Denied(explicit=explicit)
        usage_key = answer.get("usageIdentifierKey")
        return Caller(
            *("lambda", context, principal),
            usage_key=usage_key if isinstance(usage_key, str) else None,
        )

    def _failed(self, reason: str) -> AuthorizerFailed:
        # Callers see only a status, so the developer learns the reason from the log.
        logger.warning(
            "an authorizer failed to decide",
            extra={
                "authorizer": self._authorizer.name,
                "function": self._authorizer.function,
                "reason": reason,
            },
        )
        return AuthorizerFailed(reason)


def _object(payload: bytes) -> dict[str, object] | None:
    try:
        answer = parsed(payload)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _message(invocation: Invocation) -> str | None:
    failure = _object(invocation.payload) or {}
    message = failure.get("errorMessage")
    return message if isinstance(message, str) else None
