"""Compares refusals that tests are answered with those that the schema documents."""

import json
import re
from functools import cache
from typing import Any
from urllib.parse import unquote

from tests.conftest import ROOT


def check_documented(method: str, path: str, status: int, problem: dict[str, Any]) -> None:
    """Fail unless the schema says that this operation answers this code with this status. A path of
    no operation is passed over, as one is that has a slash in an encoded parameter."""
    for documented, pattern, codes in _operations():
        if documented == method and pattern.fullmatch(unquote(path)):
            assert problem.get("code") in codes.get(str(status), ()), (
                f"{method} {path} answers {status} {problem.get('code')}, which is not documented:"
                " see local/openapi_refusals.py"
            )
            return


@cache
def _operations() -> list[tuple[str, re.Pattern[str], dict[str, list[str]]]]:
    schema = json.loads((ROOT / "functions" / "docs" / "openapi.json").read_text())
    shared = {
        f"#/components/responses/{name}": _codes(answer)
        for name, answer in schema["components"]["responses"].items()
    }
    found = [
        (
            method.upper(),
            re.compile(re.sub(r"\{\w+\}", "[^/]+", path)),
            {
                status: shared.get(answer.get("$ref", ""), [])
                for status, answer in operation["responses"].items()
            },
        )
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    return sorted(found, key=lambda each: "[^/]" in each[1].pattern)


def _codes(answer: dict[str, Any]) -> list[str]:
    content = answer["content"].get("application/problem+json", {})
    codes: list[str] = (
        content["schema"]["allOf"][1]["properties"]["code"]["enum"] if content else []
    )
    return codes
