from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from shared.clients import objects
from shared.process.event_loop import run
from tests.auth import open_account, sign_in
from tests.catalogue.cases import case
from tests.catalogue.gateway import request
from tests.http import Answer
from tests.tasks import make_user

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def signed_in(backend: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


@pytest.mark.parametrize(
    "task_id",
    [
        case("H13", ".."),
        case("H13", "..%2F..%2Fetc"),
        case("H13", "\x00"),
        case("H13", "x" * 10_000),
        case("H13", "not-a-uuid"),
        case("H13", "1"),
        case("H13", "' OR 1=1 --"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [("GET", ""), ("GET", "/result"), ("GET", "/thumbnails/320"), ("POST", "/cancel")],
    ids=str,
)
def test_an_invalid_task_id_finds_no_task(signed_in: Answer, task_id: str, call: tuple[str, str]):
    method, rest = call

    answer = request(method, f"/tasks/{task_id}{rest}", token=signed_in.json["access_token"])

    assert answer.status in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.case("H7")
@pytest.mark.parametrize("trust", ["off", "local"])
def test_a_user_id_header_from_the_internet_is_ignored(backend: pytest.MonkeyPatch, trust: str):
    backend.setenv("TRUST_USER_ID_HEADER", trust)

    named = {"x-user-id": str(run(make_user()))}

    assert request("GET", "/tasks", headers=named).status == 401


@pytest.mark.case("H15")
@pytest.mark.parametrize("member", ["user_id", "owner_id", "status", "id"])
def test_nobody_submits_a_task_for_somebody_else(signed_in: Answer, member: str):
    token, body = signed_in.json["access_token"], {"prompt": "a lamp", member: str(UUID(int=1))}

    answer = request("POST", "/tasks", token=token, json_body=body)

    assert answer.status == 422
    assert request("GET", "/tasks", token=token).json["items"] == []


@pytest.mark.case("H14")
@pytest.mark.usefixtures("signed_in")
def test_a_link_to_a_picture_expires_within_five_minutes():
    link = objects.link("tasks/a/b.png", content_type="image/png", file_name="b.png")

    (seconds,) = parse_qs(urlsplit(link).query)["X-Amz-Expires"]
    assert int(seconds) <= 300
