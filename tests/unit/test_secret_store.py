import json
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from shared.secrets import secrets_manager
from shared.secrets.secrets_manager import Credentials
from shared.secrets.store import DOUBT_SECONDS, RETRY_SECONDS, SecretStore, SecretUnreadable, parse

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lampwork-AbCdEf"
TTL = 300.0


class Vault:
    """A secret that can be changed or be out of reach, and a clock beside it."""

    def __init__(self) -> None:
        self.text = '{"REDIS_URL": "rediss://old"}'
        self.away = False
        self.reads = 0
        self.now = 0.0

    def read(self) -> str:
        self.reads += 1
        if self.away:
            raise SecretUnreadable("away")
        return self.text

    def store(self) -> SecretStore:
        return SecretStore(self.read, ttl_seconds=TTL, clock=lambda: self.now)


@pytest.fixture
def vault() -> Vault:
    return Vault()


def test_a_secret_is_read_once_and_again_after_its_time(vault):
    store = vault.store()

    for moment in (0, 1, TTL - 1):
        vault.now = moment
        assert store.variables() == {"REDIS_URL": "rediss://old"}
        assert not store.has_changed()
    assert vault.reads == 1

    vault.now = TTL
    assert not store.has_changed()
    assert vault.reads == 2


def test_a_secret_that_has_changed_is_noticed_once(vault):
    store = vault.store()
    store.variables()
    vault.text = '{"REDIS_URL": "rediss://new"}'
    vault.now = TTL

    assert [store.has_changed(), store.has_changed()] == [True, False]
    assert store.variables() == {"REDIS_URL": "rediss://new"}


def test_a_password_that_is_refused_has_the_secret_read_at_once_but_not_with_each_request(vault):
    store = vault.store()
    store.variables()
    vault.now = DOUBT_SECONDS

    for _ in range(100):
        store.doubt()
        store.has_changed()
    assert vault.reads == 2

    vault.now = 2 * DOUBT_SECONDS
    store.doubt()
    store.has_changed()
    assert vault.reads == 3


@pytest.mark.parametrize("broken", ["away", "no json"])
def test_what_is_known_stays_in_use_while_the_secret_cannot_be_read_again(vault, broken):
    store = vault.store()
    store.variables()
    vault.now, vault.away, vault.text = TTL, broken == "away", broken

    for _ in range(100):
        assert not store.has_changed()
    assert store.variables() == {"REDIS_URL": "rediss://old"}
    assert vault.reads == 2

    vault.now += RETRY_SECONDS
    vault.away, vault.text = False, '{"REDIS_URL": "rediss://new"}'
    assert store.has_changed()


def test_a_secret_that_was_never_read_is_asked_for_again(vault):
    store = vault.store()
    vault.away = True
    with pytest.raises(SecretUnreadable):
        store.variables()
    assert not store.has_changed()

    vault.away = False
    assert store.variables() == {"REDIS_URL": "rediss://old"}


def test_a_member_may_be_a_document_and_an_empty_one_counts_as_not_set():
    document = {"KEYS_JSON": {"hmac": 1}, "REDIS_URL": "", "SENTRY_DSN": None, "NUMBER": 5}

    assert parse(json.dumps(document)) == {"KEYS_JSON": '{"hmac": 1}', "NUMBER": "5"}


@pytest.mark.parametrize("text", ["", "{", "[]", '"hunter2"', "hunter2"])
def test_the_error_of_an_unusable_secret_shows_nothing_of_it(text):
    with pytest.raises(SecretUnreadable, match="JSON object") as refused:
        parse(text)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("token", [None, "session-token=="])
def test_the_signature_is_that_of_botocore(token):
    body, now = b'{"SecretId": "x"}', datetime(2026, 11, 30, 11, 5, tzinfo=UTC)
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": "secretsmanager.eu-west-1.amazonaws.com",
        "x-amz-target": "secretsmanager.GetSecretValue",
    }

    signed = secrets_manager.sign(headers, body, "eu-west-1", Credentials("AK", "s", token), now)

    url = "https://secretsmanager.eu-west-1.amazonaws.com/"
    request = AWSRequest("POST", url, headers=headers, data=body)
    request.context["timestamp"] = signed["x-amz-date"]
    request.headers["X-Amz-Date"] = signed["x-amz-date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    theirs = SigV4Auth(BotocoreCredentials("AK", "s", token), "secretsmanager", "eu-west-1")
    canonical = theirs.canonical_request(request)
    signature = theirs.signature(theirs.string_to_sign(request, canonical), request)
    assert signed["authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize(
    ("arn", "environment", "said"),
    [
        ("lampwork", {}, "no ARN of a secret"),
        ("arn:aws:sqs:eu-west-1:123456789012:queue", {}, "no ARN of a secret"),
        (ARN, {}, "no credentials"),
        (ARN, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/x"}, "answered 503"),
        (
            ARN,
            {
                "AWS_ACCESS_KEY_ID": "AK",
                "AWS_SECRET_ACCESS_KEY": "hunter2",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            },
            "answered 503 ConnectionRefusedError",
        ),
    ],
)
def test_a_secret_out_of_reach_is_explained(arn, environment, said):
    with pytest.raises(SecretUnreadable, match=said) as refused:
        secrets_manager.read(arn, environment)

    assert "hunter2" not in str(refused.value)
