"""Signing in by challenges that functions define, create and verify.

https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-challenge.html
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lampwork.cloud.moto_seam.cognito import Client, Pool, User
from lampwork.cloud.user_pools.refusals import Refused
from lampwork.cloud.user_pools.triggers import Triggers

CHALLENGE: Final = "CUSTOM_CHALLENGE"
LogIn = Callable[[Pool, Client, User, Mapping[str, str]], dict[str, Any]]


@dataclass
class Session:
    """A user's way through the challenges. `results` are those that are over, in order."""

    pool: Pool
    client: Client
    user: User
    results: list[dict[str, Any]] = field(default_factory=list)
    secret: Mapping[str, str] = field(default_factory=dict)
    metadata: str | None = None


class CustomChallenges:
    """Sessions are kept in memory alone: after a restart, users begin again."""

    def __init__(self, triggers: Triggers, log_in: LogIn) -> None:
        self._triggers = triggers
        self._log_in = log_in
        self._sessions: dict[str, Session] = {}

    def begin(
        self, pool: Pool, client_id: str, user: User, metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        """
        Raises:
            Refused: the pool has no function that defines challenges, or a function refuses.
        """
        if not self._triggers.has(pool, "DefineAuthChallenge"):
            raise Refused(
                "InvalidParameterException", "Custom auth lambda trigger is not configured."
            )
        return self._go_on(Session(pool, pool.clients[client_id], user), metadata)

    def answer(self, asked: Mapping[str, Any], metadata: Mapping[str, str]) -> dict[str, Any]:
        """
        Raises:
            Refused: there is no such session, or a function refuses.
        """
        session = self._sessions.pop(asked.get("Session", ""), None)
        if session is None:
            raise Refused("NotAuthorizedException", "Invalid session for the user.")
        response = self._ask(
            "VerifyAuthChallengeResponse",
            "VerifyAuthChallengeResponse_Authentication",
            session,
            metadata,
            privateChallengeParameters=dict(session.secret),
            challengeAnswer=(asked.get("ChallengeResponses") or {}).get("ANSWER"),
        )
        result = {
            "challengeName": CHALLENGE,
            "challengeResult": response.get("answerCorrect") is True,
            "challengeMetadata": session.metadata,
        }
        session.results.append(result)
        return self._go_on(session, metadata)

    def _go_on(self, session: Session, metadata: Mapping[str, str]) -> dict[str, Any]:
        verdict = self._ask(
            "DefineAuthChallenge",
            "DefineAuthChallenge_Authentication",
            session,
            metadata,
            session=session.results,
        )
        if verdict.get("failAuthentication"):
            raise Refused("NotAuthorizedException", "Incorrect username or password.")
        if verdict.get("issueTokens"):
            return self._log_in(session.pool, session.client, session.user, metadata)
        created = self._ask(
            "CreateAuthChallenge",
            "CreateAuthChallenge_Authentication",
            session,
            metadata,
            challengeName=verdict.get("challengeName"),
            session=session.results,
        )
        session.secret = created.get("privateChallengeParameters") or {}
        session.metadata = created.get("challengeMetadata")
        key = str(uuid.uuid4())
        self._sessions[key] = session
        public = created.get("publicChallengeParameters") or {}
        return {
            "ChallengeName": CHALLENGE,
            "Session": key,
            "ChallengeParameters": {"USERNAME": session.user.username, **public},
        }

    def _ask(
        self,
        trigger: str,
        source: str,
        of: Session,
        metadata: Mapping[str, str],
        **request: Any,
    ) -> dict[str, Any]:
        return self._triggers.ask_about(
            trigger, source, of.pool, of.user, of.client.id, metadata, **request
        )
