"""Cognito's operations as far as moto does not follow AWS: the triggers of a pool, and custom
challenges. Each operation is moto's own, with what AWS does before and after it."""

import io
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.test import run_wsgi_app

from lampwork.cloud.in_process import Clients
from lampwork.cloud.moto_seam import cognito
from lampwork.cloud.moto_seam.cognito import Client, Pool, User
from lampwork.cloud.user_pools import messages, secure_passwords, tokens
from lampwork.cloud.user_pools.auth_flows import check_flow
from lampwork.cloud.user_pools.custom_challenges import CustomChallenges
from lampwork.cloud.user_pools.refusals import Refused, Unchanged
from lampwork.cloud.user_pools.secure_passwords import SecurePasswords
from lampwork.cloud.user_pools.triggers import Triggers, attributes_of, changed, token_changes
from lampwork.events.cognito import NO_CLIENT

TARGET: Final = "AWSCognitoIdentityProviderService."
JSON: Final = "application/x-amz-json-1.1"
PASSWORD_FLOWS: Final = ("USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH")
# What a user brings from elsewhere beside attributes.
NOT_ATTRIBUTES: Final = ("username", "cognito:user_status")

Asked = dict[str, Any]
Answer = dict[str, Any]
PassOn = Callable[[Asked], Answer]
"""Gives a request to moto. Raises `Unchanged` if moto answers with an error."""


class UserPools:
    """Adds to moto's user pools what they lack; `app` is moto with its state kept."""

    def __init__(self, app: WSGIApplication, region: str, triggers: Triggers) -> None:
        self._app = app
        self._clients = Clients(app, region)
        self._triggers = triggers
        self._passwords = SecurePasswords()
        self._challenges = CustomChallenges(triggers, self._log_in)
        self._signing_in = threading.local()
        self._operations: Mapping[str, Callable[[Asked, PassOn], Answer]] = {
            "SignUp": self._sign_up,
            "AdminCreateUser": self._create_user,
            "ConfirmSignUp": self._confirm,
            "AdminConfirmSignUp": self._confirm,
            "ResendConfirmationCode": self._resend,
            "ForgotPassword": self._forgot,
            "ConfirmForgotPassword": self._confirm_forgot,
            "InitiateAuth": self._initiate,
            "AdminInitiateAuth": self._initiate,
            "RespondToAuthChallenge": self._respond,
            "AdminRespondToAuthChallenge": self._respond,
        }
        tokens.install(self._adjusted)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        operation = self._operations.get(target.removeprefix(TARGET))
        if operation is None or not target.startswith(TARGET):
            return self._app(environ, start)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            answer = operation(json.loads(body), lambda asked: self._pass_on(environ, asked))
        except Unchanged as error:
            start(error.status, error.headers)
            return [error.body]
        except Refused as error:
            return _json(start, "400 Bad Request", {"__type": error.code, "message": error.text})
        return _json(start, "200 OK", answer)

    def _pass_on(self, environ: WSGIEnvironment, asked: Asked) -> Answer:
        body = json.dumps(asked).encode()
        own = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        parts, status, headers = run_wsgi_app(self._app, own, buffered=True)
        content = b"".join(parts)
        if not status.startswith("200"):
            raise Unchanged(status, headers.to_wsgi_list(), content)
        answer: Answer = json.loads(content or b"{}")
        return answer

    def _sign_up(self, asked: Asked, pass_on: PassOn) -> Answer:
        answer = pass_on(asked)
        pool, user = _pool(asked), _user(asked)
        response = self._before_sign_up("PreSignUp_SignUp", pool, user, asked)
        self._verify(pool, user, response)
        if response.get("autoConfirmUser"):
            self._idp.admin_confirm_sign_up(UserPoolId=pool.id, Username=user.username)
            self._confirmed("PostConfirmation_ConfirmSignUp", pool, user, asked)
            return {**_without(answer, "CodeDeliveryDetails"), "UserConfirmed": True}
        if "CodeDeliveryDetails" in answer:
            return {**answer, **self._send_code("CustomMessage_SignUp", pool, user, asked)}
        return answer

    def _create_user(self, asked: Asked, pass_on: PassOn) -> Answer:
        password = asked.get("TemporaryPassword") or messages.temporary_password()
        answer = pass_on({**asked, "TemporaryPassword": password})
        pool, user = _pool(asked), _user(asked)
        if asked.get("MessageAction") != "RESEND":
            response = self._before_sign_up("PreSignUp_AdminCreateUser", pool, user, asked)
            self._verify(pool, user, response)
        if asked.get("MessageAction") != "SUPPRESS":
            phone = asked.get("DesiredDeliveryMediums", ["SMS"]) == ["SMS"]
            phone = phone and "phone_number" in user.attribute_lookup
            attribute = "phone_number" if phone else "email"
            self._message(messages.INVITATION, pool, user, asked, password, attribute)
        return answer

    def _before_sign_up(self, source: str, pool: Pool, user: User, asked: Asked) -> Answer:
        """Ask the trigger about a user whom moto has just made, after its own checks."""
        given = {name: each for name, each in user.attribute_lookup.items() if name != "sub"}
        validation = {each["Name"]: each.get("Value") for each in asked.get("ValidationData") or ()}
        request: dict[str, Any] = {"userAttributes": given, "validationData": validation or None}
        if metadata := asked.get("ClientMetadata"):
            request["clientMetadata"] = metadata
        try:
            return self._triggers.ask(
                "PreSignUp",
                source,
                pool,
                client_id=asked.get("ClientId", NO_CLIENT),
                user_name=user.username,
                request=request,
            )
        except Refused:
            self._idp.admin_delete_user(UserPoolId=pool.id, Username=user.username)
            raise

    def _verify(self, pool: Pool, user: User, response: Mapping[str, Any]) -> None:
        verified = [
            {"Name": name, "Value": "true"}
            for flag, name in (
                ("autoVerifyEmail", "email_verified"),
                ("autoVerifyPhone", "phone_number_verified"),
            )
            if response.get(flag)
        ]
        if verified:
            self._idp.admin_update_user_attributes(
                UserPoolId=pool.id, Username=user.username, UserAttributes=verified
            )

    def _confirm(self, asked: Asked, pass_on: PassOn) -> Answer:
        pool, user = _pool(asked), _user(asked)
        by_code = "ClientId" in asked
        if by_code:
            if cognito.is_confirmed(user):
                text = "User cannot be confirmed. Current status is CONFIRMED"
                raise Refused("NotAuthorizedException", text)
            messages.check_code(user, asked.get("ConfirmationCode", ""))
        answer = pass_on(asked)
        cognito.set_code(user, None)
        if "email" in user.attribute_lookup and by_code:
            self._verify(pool, user, {"autoVerifyEmail": True})
        self._confirmed("PostConfirmation_ConfirmSignUp", pool, user, asked)
        return answer

    def _confirmed(self, source: str, pool: Pool, user: User, asked: Asked) -> None:
        client_id, metadata = asked.get("ClientId", NO_CLIENT), asked.get("ClientMetadata")
        self._triggers.ask_about("PostConfirmation", source, pool, user, client_id, metadata)

    def _resend(self, asked: Asked, pass_on: PassOn) -> Answer:
        """moto does not have this operation."""
        pool, user = _pool(asked), _user(asked)
        return self._send_code("CustomMessage_ResendCode", pool, user, asked)

    def _forgot(self, asked: Asked, pass_on: PassOn) -> Answer:
        answer = pass_on(asked)
        pool, user = _pool(asked), cognito.find_user(_pool(asked), asked["Username"])
        if user is not None:
            return self._send_code("CustomMessage_ForgotPassword", pool, user, asked)
        return answer

    def _confirm_forgot(self, asked: Asked, pass_on: PassOn) -> Answer:
        messages.check_code(_user(asked), asked.get("ConfirmationCode", ""))
        answer = pass_on(asked)
        source = "PostConfirmation_ConfirmForgotPassword"
        self._confirmed(source, _pool(asked), _user(asked), asked)
        return answer

    def _send_code(self, source: str, pool: Pool, user: User, asked: Asked) -> Answer:
        """Send a new code. Returns where it went to, which moto does not know."""
        code = messages.new_code(user)
        self._idp.describe_user_pool(UserPoolId=pool.id)  # so that the code is stored
        attribute = messages.attribute_for(pool, user)
        self._message(source, pool, user, asked, code, attribute)
        return {"CodeDeliveryDetails": messages.delivery(user, attribute)}

    def _message(
        self, source: str, pool: Pool, user: User, asked: Asked, code: str, attribute: str
    ) -> None:
        """Ask for the text of a message, and tell it here: no message is sent from here."""
        custom = self._triggers.ask_about(
            "CustomMessage",
            source,
            pool,
            user,
            asked.get("ClientId", NO_CLIENT),
            asked.get("ClientMetadata"),
            codeParameter=messages.CODE,
            linkParameter="{##Click Here##}",
            usernameParameter=messages.USERNAME if source == messages.INVITATION else None,
        )
        messages.tell(source, pool, user, code, attribute, custom)

    def _initiate(self, asked: Asked, pass_on: PassOn) -> Answer:
        pool, flow = _pool(asked), asked.get("AuthFlow")
        if client := pool.clients.get(asked.get("ClientId", "")):
            check_flow(client, flow)
        name = (asked.get("AuthParameters") or {}).get("USERNAME", "")
        metadata = asked.get("ClientMetadata") or {}
        if flow == "CUSTOM_AUTH":
            return self._challenges.begin(
                pool, asked["ClientId"], _user_named(pool, name), metadata
            )
        if flow == secure_passwords.FLOW:
            return self._secured(pool, asked, name, pass_on)
        if flow in PASSWORD_FLOWS:
            self._before_sign_in(pool, asked, name, metadata)
        refreshes = str(flow).startswith("REFRESH")
        source = "RefreshTokens" if refreshes else "Authentication"
        answer = self._with_tokens(source, metadata, lambda: pass_on(asked))
        if not refreshes:
            self._signed_in(pool, asked, name, answer)
            _explain_new_password(pool, name, answer)
        return answer

    def _secured(self, pool: Pool, asked: Asked, name: str, pass_on: PassOn) -> Answer:
        self._before_sign_in(pool, asked, name, asked.get("ClientMetadata") or {})
        answer = pass_on(asked)
        return self._passwords.challenge(pool, _user_named(pool, name), asked, answer)

    def _before_sign_in(
        self, pool: Pool, asked: Asked, name: str, metadata: Mapping[str, str]
    ) -> None:
        user = cognito.find_user(pool, name) or self._migrated(pool, asked)
        if user is None:  # moto refuses
            return
        self._triggers.ask(
            "PreAuthentication",
            "PreAuthentication_Authentication",
            pool,
            client_id=asked["ClientId"],
            user_name=user.username,
            request=_about_sign_in(user, metadata),
        )
        if cognito.is_unconfirmed(user):
            raise Refused("UserNotConfirmedException", "User is not confirmed.")

    def _respond(self, asked: Asked, pass_on: PassOn) -> Answer:
        metadata = asked.get("ClientMetadata") or {}
        if asked.get("ChallengeName") == "CUSTOM_CHALLENGE":
            return self._challenges.answer(asked, metadata)
        if asked.get("ChallengeName") == secure_passwords.VERIFIER:
            asked = self._passwords.verified(asked)
        renewed = asked.get("ChallengeName") == "NEW_PASSWORD_REQUIRED"
        source = "NewPasswordChallenge" if renewed else "Authentication"
        answer = self._with_tokens(source, metadata, lambda: pass_on(asked))
        name = (asked.get("ChallengeResponses") or {}).get("USERNAME", "")
        self._signed_in(_pool(asked), asked, name, answer)
        return answer

    def _migrated(self, pool: Pool, asked: Asked) -> User | None:
        """A user whom the trigger knows from elsewhere, who is in the pool from now on.

        https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-migrate-user.html
        """
        parameters = asked["AuthParameters"]
        name, password = parameters.get("USERNAME", ""), parameters.get("PASSWORD", "")
        if not self._triggers.has(pool, "UserMigration"):
            return None
        response = self._triggers.ask(
            "UserMigration",
            "UserMigration_Authentication",
            pool,
            client_id=asked["ClientId"],
            user_name=name,
            request={"password": password, "validationData": asked.get("ClientMetadata")},
        )
        attributes = response.get("userAttributes")
        if not isinstance(attributes, dict):
            raise Refused("UserNotFoundException", "User does not exist.")
        given = {key: each for key, each in attributes.items() if key not in NOT_ATTRIBUTES}
        self._idp.admin_create_user(
            UserPoolId=pool.id,
            Username=name,
            MessageAction="SUPPRESS",
            TemporaryPassword=password,
            UserAttributes=[{"Name": key, "Value": str(each)} for key, each in given.items()],
        )
        user = cognito.find_user(pool, name)
        if user is not None and response.get("finalUserStatus") == "CONFIRMED":
            # The password comes from elsewhere: it need not follow this pool's rules.
            cognito.confirm_with_password(user, password)
        return user

    def _signed_in(self, pool: Pool, asked: Asked, name: str, answer: Answer) -> None:
        user = cognito.find_user(pool, name)
        if "AuthenticationResult" in answer and user is not None:
            self._triggers.ask_about(
                "PostAuthentication",
                "PostAuthentication_Authentication",
                pool,
                user,
                asked["ClientId"],
                asked.get("ClientMetadata"),
                newDeviceUsed=False,
            )

    def _log_in(
        self, pool: Pool, client: Client, user: User, metadata: Mapping[str, str]
    ) -> Answer:
        """Tokens for a user who has answered all custom challenges."""
        answer = self._with_tokens(
            "Authentication", metadata, lambda: cognito.log_in(pool, client, user)
        )
        self._idp.describe_user_pool(UserPoolId=pool.id)  # so that the tokens are stored
        self._signed_in(pool, {"ClientId": client.id}, user.username, answer)
        return answer

    def _with_tokens(
        self, source: str, metadata: Mapping[str, str], issue: Callable[[], Answer]
    ) -> Answer:
        """What `issue` answers. Tokens that it makes are the trigger's to change."""
        self._signing_in.source = f"TokenGeneration_{source}"
        self._signing_in.metadata = metadata
        self._signing_in.details = None
        try:
            return issue()
        finally:
            self._signing_in.source = ""

    def _adjusted(
        self, pool: Pool, client: Client, user: User, use: str, claims: tokens.Claims
    ) -> tokens.Claims:
        source = getattr(self._signing_in, "source", "")
        if not source or not self._triggers.has(pool, "PreTokenGeneration"):
            return claims
        if self._signing_in.details is None:  # one question for both tokens
            self._signing_in.details = token_changes(
                self._triggers, source, pool, client, user, self._signing_in.metadata
            )
        return changed(claims, use, self._signing_in.details)

    @property
    def _idp(self) -> Any:
        return self._clients("cognito-idp")


def _pool(asked: Asked) -> Pool:
    """The pool of a request. moto has answered for one that exists, or is about to refuse."""
    named = asked.get("UserPoolId")
    pool = cognito.find_pool(named) if named else cognito.pool_of_client(asked.get("ClientId", ""))
    if pool is None:
        what = f"User pool {named}" if named else f"User pool client {asked.get('ClientId')}"
        raise Refused("ResourceNotFoundException", f"{what} does not exist.")
    return pool


def _user(asked: Asked) -> User:
    return _user_named(_pool(asked), asked["Username"])


def _user_named(pool: Pool, name: str) -> User:
    user = cognito.find_user(pool, name)
    if user is None:
        raise Refused("UserNotFoundException", "User does not exist.")
    return user


def _about_sign_in(user: User, metadata: Mapping[str, str]) -> dict[str, Any]:
    return {"userAttributes": attributes_of(user), "validationData": dict(metadata) or None}


def _explain_new_password(pool: Pool, name: str, answer: Answer) -> None:
    """What a client needs to ask for a new password; moto leaves it out.

    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminInitiateAuth.html
    """
    user = cognito.find_user(pool, name)
    if answer.get("ChallengeName") == "NEW_PASSWORD_REQUIRED" and user is not None:
        shown = {each: value for each, value in user.attribute_lookup.items() if each != "sub"}
        answer["ChallengeParameters"] = {
            "USER_ID_FOR_SRP": user.username,
            "requiredAttributes": "[]",
            "userAttributes": json.dumps(shown),
        }


def _without(answer: Answer, name: str) -> Answer:
    return {key: each for key, each in answer.items() if key != name}


def _json(start: StartResponse, status: str, answer: Mapping[str, Any]) -> Iterable[bytes]:
    body = json.dumps(answer).encode()
    start(status, [("Content-Type", JSON), ("Content-Length", str(len(body)))])
    return [body]
