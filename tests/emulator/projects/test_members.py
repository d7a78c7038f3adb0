"""A project whose REST API and HTTP API are for the users of a user pool.

What the authorizers hand to functions is compared with what was seen on AWS:
https://github.com/amazon-archives/amazon-cognito-identity-js/issues/92 for REST APIs,
https://github.com/awsdocs/amazon-api-gateway-developer-guide/issues/158 for all values being text.
"""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import boto3
import jwt
import pytest
from botocore.exceptions import ClientError

from lampwork.cloud.user_pools.secure_passwords import prime
from tests.emulator.projects.installation import Installation, Project, project
from tests.emulator.secure_password_client import first_value, proof

PASSWORD = "Shelves123"
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4}")


@pytest.fixture(scope="module")
def members(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    with project(installation, "members", tmp_path_factory.mktemp("projects")) as members:
        members.up("--strict")
        yield members


def cognito(members: Project) -> Any:
    session: Any = boto3.session.Session()
    return session.client("cognito-idp", **members.aws)


def pool_of(members: Project) -> str:
    (pool,) = cognito(members).list_user_pools(MaxResults=10)["UserPools"]
    return str(pool["Id"])


def client_of(members: Project, name: str = "local-Browser") -> str:
    clients = cognito(members).list_user_pool_clients(UserPoolId=pool_of(members))
    (client,) = (c["ClientId"] for c in clients["UserPoolClients"] if c["ClientName"] == name)
    return str(client)


def sign_in(members: Project, name: str, *, group: str = "") -> dict[str, str]:
    """The tokens of a user, who signs up first."""
    idp, client = cognito(members), client_of(members)
    attributes = [
        {"Name": "email", "Value": f"{name}@example.com"},
        {"Name": "custom:shelf", "Value": "B7"},
    ]
    idp.sign_up(ClientId=client, Username=name, Password=PASSWORD, UserAttributes=attributes)
    idp.admin_confirm_sign_up(UserPoolId=pool_of(members), Username=name)
    if group:
        idp.admin_add_user_to_group(UserPoolId=pool_of(members), Username=name, GroupName=group)
    answer = idp.initiate_auth(
        ClientId=client,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
    )
    tokens: dict[str, str] = answer["AuthenticationResult"]
    return tokens


def get(members: Project, path: str, token: str | None = None) -> tuple[int, Any]:
    headers = {"Authorization": token} if token else {}
    request = urllib.request.Request(f"{members.origin}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def test_a_rest_api_hands_the_claims_of_an_id_token_over_as_text(members: Project) -> None:
    tokens = sign_in(members, "ada", group="librarians")

    status, told = get(members, "/v1/read", tokens["IdToken"])

    claims = told["authorizer"]["claims"]
    assert status == 200
    assert list(told["authorizer"]) == ["claims"]
    assert claims["cognito:username"] == "ada"
    assert claims["email"] == "ada@example.com"
    assert claims["custom:shelf"] == "B7"
    assert claims["token_use"] == "id"
    assert claims["cognito:groups"] == "librarians"
    assert claims["auth_time"].isdecimal()
    assert DATE.fullmatch(claims["exp"])
    assert DATE.fullmatch(claims["iat"])


def test_an_http_api_hands_lists_over_in_brackets_and_times_as_numbers(members: Project) -> None:
    tokens = sign_in(members, "ben", group="librarians")

    status, told = get(members, "/read", f"Bearer {tokens['AccessToken']}")

    claims = told["authorizer"]["jwt"]["claims"]
    assert status == 200
    assert claims["cognito:groups"] == "[librarians]"
    assert claims["username"] == "ben"
    assert claims["client_id"] == client_of(members)
    assert claims["exp"].isdecimal()


@pytest.mark.parametrize("token", [None, "x", "Bearer x.y.z"])
def test_a_request_without_a_valid_token_is_unauthorized(
    members: Project, token: str | None
) -> None:
    assert get(members, "/v1/read", token) == (401, {"message": "Unauthorized"})
    assert get(members, "/read", token) == (401, {"message": "Unauthorized"})


def test_a_route_without_scopes_takes_id_tokens_and_one_with_scopes_takes_access_tokens(
    members: Project,
) -> None:
    """https://repost.aws/knowledge-center/api-gateway-cognito-401-unauthorized"""
    tokens = sign_in(members, "carl")

    assert get(members, "/v1/read", tokens["AccessToken"])[0] == 401
    assert get(members, "/v1/own", tokens["IdToken"])[0] == 401
    assert get(members, "/v1/own", tokens["AccessToken"])[0] == 200
    assert get(members, "/v1/write", tokens["AccessToken"])[0] == 403


def test_a_token_of_another_pool_is_unauthorized(members: Project) -> None:
    idp = cognito(members)
    pool = idp.create_user_pool(PoolName="strangers")["UserPool"]["Id"]
    client = idp.create_user_pool_client(
        UserPoolId=pool, ClientName="c", ExplicitAuthFlows=["USER_PASSWORD_AUTH"]
    )["UserPoolClient"]
    idp.sign_up(ClientId=client["ClientId"], Username="eve", Password="Strange1!")
    idp.admin_confirm_sign_up(UserPoolId=pool, Username="eve")
    tokens = idp.initiate_auth(
        ClientId=client["ClientId"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "eve", "PASSWORD": "Strange1!"},
    )["AuthenticationResult"]
    idp.delete_user_pool(UserPoolId=pool)

    assert get(members, "/v1/read", tokens["IdToken"])[0] == 401
    assert get(members, "/read", tokens["AccessToken"])[0] == 401


def test_functions_know_the_pool_and_its_clients_by_the_ids_that_cognito_has(
    members: Project,
) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cognito-userpool.html"""
    settings = get(members, "/v1/read", sign_in(members, "dora")["IdToken"])[1]["settings"]

    pool, machine = pool_of(members), client_of(members, "local-Machine")
    described = cognito(members).describe_user_pool_client(UserPoolId=pool, ClientId=machine)
    assert re.fullmatch(r"us-east-1_\w{9}", pool)
    assert settings == {
        "POOL": pool,
        "CLIENT": client_of(members),
        "SECRET": described["UserPoolClient"]["ClientSecret"],
    }


def test_anybody_can_verify_a_token_with_the_keys_that_the_pool_publishes(
    members: Project,
) -> None:
    token = sign_in(members, "emil")["IdToken"]
    keys = jwt.PyJWKClient(f"{members.origin}/{pool_of(members)}/.well-known/jwks.json")

    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["RS256"],
        audience=client_of(members),
        issuer=f"https://cognito-idp.us-east-1.amazonaws.com/{pool_of(members)}",
    )

    assert claims["exp"] - claims["iat"] == 30 * 60


def register(members: Project, name: str, domain: str = "example.com") -> Any:
    return cognito(members).sign_up(
        ClientId=client_of(members),
        Username=name,
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": f"{name}@{domain}"}],
        ValidationData=[{"Name": "from", "Value": "test"}],
    )


def authenticate(members: Project, flow: str, **given: str) -> Any:
    return cognito(members).initiate_auth(
        ClientId=client_of(members), AuthFlow=flow, AuthParameters=given
    )


def asked(members: Project, source: str, name: str) -> Any:
    """The event that the function got for this source and user."""
    session: Any = boto3.session.Session()
    sqs = session.client("sqs", **members.aws)
    url = sqs.get_queue_url(QueueName="asked")["QueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            event = json.loads(message["Body"])
            EVENTS[event["triggerSource"], event["userName"]] = event
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return EVENTS[source, name]


EVENTS: dict[tuple[str, str], Any] = {}


def test_a_trigger_refuses_a_user_with_its_own_words(members: Project) -> None:
    """The text is that of https://github.com/aws-amplify/amplify-ui-android/issues/314."""
    with pytest.raises(ClientError) as refused:
        register(members, "sam", "spam.example")

    error = refused.value.response["Error"]
    assert error["Code"] == "UserLambdaValidationException"
    assert error["Message"] == "PreSignUp failed with error nobody of spam.example may join."
    with pytest.raises(ClientError, match="UserNotFoundException"):
        cognito(members).admin_get_user(UserPoolId=pool_of(members), Username="sam")


def test_a_trigger_confirms_a_user_and_the_next_one_puts_the_user_into_a_group(
    members: Project,
) -> None:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-sign-up.html"""
    answer = register(members, "lea", "staff.example")

    tokens = authenticate(members, "USER_PASSWORD_AUTH", USERNAME="lea", PASSWORD=PASSWORD)
    claims = jwt.decode(
        tokens["AuthenticationResult"]["IdToken"], options={"verify_signature": False}
    )
    assert answer["UserConfirmed"] is True
    assert claims["cognito:groups"] == ["librarians"]
    assert claims["email_verified"] is True
    event = asked(members, "PreSignUp_SignUp", "lea")
    assert event["callerContext"]["clientId"] == client_of(members)
    assert event["request"] == {
        "userAttributes": {"email": "lea@staff.example"},
        "validationData": {"from": "test"},
    }
    confirmed = asked(members, "PostConfirmation_ConfirmSignUp", "lea")["request"]
    assert confirmed["userAttributes"]["cognito:user_status"] == "CONFIRMED"


def test_a_user_who_is_not_confirmed_is_refused_until_then(members: Project) -> None:
    answer = register(members, "nora")

    assert answer["CodeDeliveryDetails"] == {
        "AttributeName": "email",
        "DeliveryMedium": "EMAIL",
        "Destination": "n***@e***",
    }
    with pytest.raises(ClientError, match="UserNotConfirmedException"):
        authenticate(members, "USER_PASSWORD_AUTH", USERNAME="nora", PASSWORD=PASSWORD)
    message = asked(members, "CustomMessage_SignUp", "nora")
    assert answer["UserConfirmed"] is False
    assert message["request"]["codeParameter"] == "{####}"
    assert message["response"] == {"smsMessage": None, "emailMessage": None, "emailSubject": None}

    code = {
        "ClientId": client_of(members),
        "Username": "nora",
        "ConfirmationCode": told(members, "nora"),
    }
    cognito(members).confirm_sign_up(**code)
    authenticate(members, "USER_PASSWORD_AUTH", USERNAME="nora", PASSWORD=PASSWORD)
    after = asked(members, "PostAuthentication_Authentication", "nora")
    assert after["request"]["newDeviceUsed"] is False


def shown(members: Project) -> str:
    return "".join(members.lampwork.output)


def told(members: Project, name: str, *, times: int = 1) -> str:
    """The code in the last of so many messages to a user, which the terminal shows."""
    words = rf"would send {name} \(\S+\) the (?:code|temporary password) (\S+?)(?::|\n)"
    deadline = time.monotonic() + 10
    while len(found := re.findall(words, shown(members))) < times:
        assert time.monotonic() < deadline, shown(members)
        time.sleep(0.05)
    return str(found[-1])


def refusal(call: Any, **asked: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**asked)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_only_the_code_that_the_terminal_shows_confirms_a_user(members: Project) -> None:
    """The texts are those in https://github.com/aws-amplify/amplify-flutter/issues/1128 and of
    https://docs.amplify.aws/gen1/javascript/prev/build-a-backend/auth/ui-library."""
    register(members, "olga")
    first = told(members, "olga")
    idp, who = cognito(members), {"ClientId": client_of(members), "Username": "olga"}

    assert f'the code {first}: "<p>Dear olga, enter {first}</p>"' in shown(members)
    idp.resend_confirmation_code(**who)
    second = told(members, "olga", times=2)
    mismatch = "CodeMismatchException", "Invalid verification code provided, please try again."
    assert refusal(idp.confirm_sign_up, **who, ConfirmationCode=first) == mismatch
    idp.confirm_sign_up(**who, ConfirmationCode=second)
    assert refusal(idp.confirm_sign_up, **who, ConfirmationCode=second) == (
        "NotAuthorizedException",
        "User cannot be confirmed. Current status is CONFIRMED",
    )


def test_a_forgotten_password_is_replaced_with_a_code_that_is_right_once(members: Project) -> None:
    sign_in(members, "petra")
    idp, who = cognito(members), {"ClientId": client_of(members), "Username": "petra"}
    again = {**who, "Password": "Another123"}

    expired = "ExpiredCodeException", "Invalid code provided, please request a code again."
    unasked = refusal(idp.confirm_forgot_password, **again, ConfirmationCode="123456")
    idp.forgot_password(**who)
    code = told(members, "petra", times=2)
    wrong = refusal(idp.confirm_forgot_password, **again, ConfirmationCode="x")[0]
    idp.confirm_forgot_password(**again, ConfirmationCode=code)
    twice = refusal(idp.confirm_forgot_password, **again, ConfirmationCode=code)

    assert (unasked, wrong, twice) == (expired, "CodeMismatchException", expired)
    authenticate(members, "USER_PASSWORD_AUTH", USERNAME="petra", PASSWORD="Another123")


def test_who_is_invited_signs_in_with_the_temporary_password_that_the_terminal_shows(
    members: Project,
) -> None:
    email = [{"Name": "email", "Value": "quin@example.com"}]
    cognito(members).admin_create_user(
        UserPoolId=pool_of(members), Username="quin", UserAttributes=email
    )
    password = told(members, "quin")

    answer = authenticate(members, "USER_PASSWORD_AUTH", USERNAME="quin", PASSWORD=password)

    assert answer["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        ("USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH flow not enabled for this client"),
        ("ADMIN_USER_PASSWORD_AUTH", "Auth flow not enabled for this client"),
    ],
)
def test_a_client_without_flows_of_its_own_takes_no_password(
    members: Project, flow: str, text: str
) -> None:
    """Its default: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html

    The texts are those that people report, as https://github.com/aws-amplify/amplify-js/issues/419
    and https://stackoverflow.com/questions/37583510 have them.
    """
    idp = cognito(members)
    asked: dict[str, Any] = {"ClientId": client_of(members, "local-Machine"), "AuthFlow": flow}
    call = idp.initiate_auth
    if flow.startswith("ADMIN"):
        asked["UserPoolId"] = pool_of(members)
        call = idp.admin_initiate_auth

    given = {"USERNAME": "ada", "PASSWORD": PASSWORD}
    assert refusal(call, **asked, AuthParameters=given) == ("InvalidParameterException", text)


@pytest.mark.parametrize("flow", ["USER_SRP_AUTH", "CUSTOM_AUTH"])
def test_a_client_allows_the_flows_that_it_names_alone(members: Project, flow: str) -> None:
    """The text: https://github.com/aws-samples/aws-serverless-workshops"""
    idp, pool = cognito(members), pool_of(members)
    client = idp.create_user_pool_client(
        UserPoolId=pool, ClientName="p", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]

    given: Any = {"USERNAME": "ada", "SRP_A": first_value()}
    refused = refusal(idp.initiate_auth, ClientId=client, AuthFlow=flow, AuthParameters=given)
    idp.delete_user_pool_client(UserPoolId=pool, ClientId=client)

    assert refused == ("InvalidParameterException", f"{flow} is not enabled for the client.")


def test_a_trigger_keeps_a_user_from_signing_in(members: Project) -> None:
    with pytest.raises(
        ClientError, match="PreAuthentication failed with error come back next year"
    ):
        sign_in(members, "banned")


def test_a_trigger_changes_the_claims_of_the_id_token(members: Project) -> None:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html"""
    tokens = sign_in(members, "goldie")

    claims = get(members, "/v1/read", tokens["IdToken"])[1]["authorizer"]["claims"]
    access = jwt.decode(tokens["AccessToken"], options={"verify_signature": False})
    event = asked(members, "TokenGeneration_Authentication", "goldie")
    assert claims["plan"] == "gold"
    assert "custom:shelf" not in claims
    assert "plan" not in access
    assert event["request"]["groupConfiguration"] == {
        "groupsToOverride": [],
        "iamRolesToOverride": [],
        "preferredRole": None,
    }
    assert event["response"] == {"claimsOverrideDetails": None}


def test_a_refresh_token_gives_tokens_anew(members: Project) -> None:
    tokens = sign_in(members, "gina")

    answer = authenticate(members, "REFRESH_TOKEN_AUTH", REFRESH_TOKEN=tokens["RefreshToken"])

    assert get(members, "/v1/read", answer["AuthenticationResult"]["IdToken"])[0] == 200
    assert asked(members, "TokenGeneration_RefreshTokens", "gina")


def test_functions_ask_a_challenge_of_their_own(members: Project) -> None:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-challenge.html"""
    sign_in(members, "hans")
    idp, client = cognito(members), client_of(members)

    def answered(text: str) -> Any:
        challenge = authenticate(members, "CUSTOM_AUTH", USERNAME="hans")
        assert challenge["ChallengeParameters"] == {"USERNAME": "hans", "question": "6 x 7"}
        return idp.respond_to_auth_challenge(
            ClientId=client,
            ChallengeName=challenge["ChallengeName"],
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": "hans", "ANSWER": text},
        )

    again = answered("41")
    assert again["ChallengeName"] == "CUSTOM_CHALLENGE"
    tokens = answered("42")["AuthenticationResult"]
    assert get(members, "/v1/read", tokens["IdToken"])[0] == 200


def prove(members: Project, name: str, password: str) -> Any:
    challenge = authenticate(members, "USER_SRP_AUTH", USERNAME=name, SRP_A=first_value())
    return cognito(members).respond_to_auth_challenge(
        ClientId=client_of(members),
        ChallengeName=challenge["ChallengeName"],
        ChallengeResponses=proof(pool_of(members), password, challenge["ChallengeParameters"]),
    )


def test_a_user_proves_to_know_the_password_without_sending_it(members: Project) -> None:
    sign_in(members, "jana")

    tokens = prove(members, "jana", PASSWORD)["AuthenticationResult"]

    assert get(members, "/v1/read", tokens["IdToken"])[0] == 200
    with pytest.raises(ClientError, match="Incorrect username or password"):
        prove(members, "jana", "Another123")


def test_the_prime_is_that_of_rfc_3526() -> None:
    digits = f"{prime():X}"

    assert len(digits) == 768
    assert digits.startswith("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD1")
    assert digits.endswith("43DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF")


def test_a_user_of_an_older_directory_moves_in_with_the_first_sign_in(members: Project) -> None:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-migrate-user.html"""
    tokens = authenticate(members, "USER_PASSWORD_AUTH", USERNAME="old", PASSWORD="old")

    token = tokens["AuthenticationResult"]["IdToken"]
    assert get(members, "/v1/read", token)[1]["authorizer"]["claims"]["email"] == "old@example.com"


def test_a_user_whom_an_administrator_made_chooses_a_new_password(members: Project) -> None:
    idp, pool, client = cognito(members), pool_of(members), client_of(members)
    email = [{"Name": "email", "Value": "ida@example.com"}]
    idp.admin_create_user(
        UserPoolId=pool, Username="ida", TemporaryPassword="Temporary1", UserAttributes=email
    )

    challenge = idp.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ida", "PASSWORD": "Temporary1"},
    )
    answer = idp.respond_to_auth_challenge(
        ClientId=client,
        ChallengeName=challenge["ChallengeName"],
        Session=challenge["Session"],
        ChallengeResponses={"USERNAME": "ida", "NEW_PASSWORD": PASSWORD},
    )

    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert json.loads(challenge["ChallengeParameters"]["userAttributes"]) == {
        "email": "ida@example.com"
    }
    assert get(members, "/v1/read", answer["AuthenticationResult"]["IdToken"])[0] == 200
    assert asked(members, "TokenGeneration_NewPasswordChallenge", "ida")
    event = asked(members, "PreSignUp_AdminCreateUser", "ida")
    assert event["callerContext"]["clientId"] == "CLIENT_ID_NOT_APPLICABLE"


def test_users_and_the_ids_of_the_pool_are_kept_over_a_restart(members: Project) -> None:
    token = sign_in(members, "fay")["IdToken"]
    before = pool_of(members), client_of(members)

    members.lampwork.stop()
    members.up()

    assert (pool_of(members), client_of(members)) == before
    assert get(members, "/v1/read", token)[0] == 200
    user = cognito(members).admin_get_user(UserPoolId=before[0], Username="fay")
    assert user["UserStatus"] == "CONFIRMED"
