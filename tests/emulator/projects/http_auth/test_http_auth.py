"""A project that knows nothing of this repository, called with HTTPie, httpx and boto3."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest

from tests.emulator.issuer import Issuer, running_issuer
from tests.emulator.projects.installation import Installation, project

HTTP = Path(sys.executable).with_name("http")
ORIGIN = "https://notes.example"


@pytest.fixture(scope="module")
def issuer():
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def origin(installation: Installation, issuer: Issuer, tmp_path_factory):
    with project(installation, "http_auth", tmp_path_factory.mktemp("notes")) as notes:
        yield notes.up("--parameter-overrides", f"Issuer={issuer.url}", "--no-reload")


@pytest.fixture
def client(origin: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{origin}/v1") as client:
        yield client


def test_a_person_reads_with_a_token(client, issuer):
    token = issuer.token(aud="notes", sub="ada")

    response = client.get("/notes", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 200
    assert response.json() == {"owner": "ada", "edition": "first"}


@pytest.mark.parametrize(("scope", "status"), [("notes/write", 201), ("notes/read", 403)])
def test_a_person_writes_with_httpie_if_the_token_says_so(origin, issuer, scope, status):
    token = issuer.token(aud="notes", scope=scope)

    answer = subprocess.run(
        [
            *(HTTP, "--ignore-stdin", "--print=hb", "--pretty=none", "-A", "bearer", "-a", token),
            *("POST", f"{origin}/v1/notes", "text=hello"),
        ],
        capture_output=True,
        text=True,
    ).stdout

    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    assert head.splitlines()[0].split()[1] == str(status)
    assert body.strip() == ("HELLO" if status == 201 else '{"message":"Forbidden"}')


def test_reading_needs_a_token_for_this_audience(client, issuer):
    token = issuer.token(aud="others")

    nothing = client.get("/notes")
    others = client.get("/notes", headers={"Authorization": f"Bearer {token}"})

    assert (nothing.status_code, nothing.json()) == (401, {"message": "Unauthorized"})
    assert (others.status_code, others.json()) == (401, {"message": "Unauthorized"})
    assert "valid audience" in others.headers["www-authenticate"]


def test_the_authorizer_is_asked_about_a_machines_key_once(client):
    first = client.get("/statistics", headers={"X-Key": "machine-1"})
    again = client.get("/statistics", headers={"X-Key": "machine-1"})

    assert first.json() == {"machine": "machine-1", "level": 3, "asked": 1}
    assert again.json() == first.json()


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 401, "Unauthorized"),
        ({"X-Key": "wrong"}, 403, "Forbidden"),
        ({"X-Key": "broken"}, 500, "Internal Server Error"),
    ],
)
def test_unknown_keys_are_refused(client, headers, status, message):
    response = client.get("/statistics", headers=headers)

    assert (response.status_code, response.json()) == (status, {"message": message})


def test_only_pages_of_the_allowed_origin_may_send_requests(client: httpx.Client):
    def preflight(origin: str) -> httpx.Response:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return client.options("/notes", headers=headers)

    ours, theirs = preflight(ORIGIN), preflight("https://evil.example")

    assert ours.status_code == 204
    assert ours.headers["access-control-allow-origin"] == ORIGIN
    assert ours.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "access-control-allow-origin" not in theirs.headers


def test_the_open_route_answers_everybody_and_unknown_routes_are_not_found(client, origin):
    assert client.get("/health").json() == {"healthy": True}
    assert client.get("/nowhere").status_code == 404
    assert httpx.get(f"{origin}/health").status_code == 404  # without its stage


def test_boto3_invokes_its_functions(origin):
    client = boto3.client(
        "lambda",
        endpoint_url=origin,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
    )

    answer = client.invoke(FunctionName="local-Health")

    assert json.load(answer["Payload"]) == {"healthy": True}
