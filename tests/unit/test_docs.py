from functions.docs.openapi import handler
from local import openapi
from tests.http import call


def test_the_committed_schema_matches_the_code():
    assert openapi.TARGET.read_text() == openapi.text(openapi.build())


def test_the_schema_is_served():
    answer = call(handler, "GET", "/api/openapi.json")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["info"]["title"] == "Lampwork"


def test_the_page_runs_no_inline_script():
    answer = call(handler, "GET", "/api/docs")

    assert b"<script>" not in answer.body
    assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_an_unknown_asset_is_not_found():
    answer = call(handler, "GET", "/api/docs/..%2fopenapi.py")

    assert (answer.status, answer.json["code"]) == (404, "not_found")
