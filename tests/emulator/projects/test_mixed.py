"""One template with functions of Node.js and Python, a container image, layers of other accounts
and a web server."""

from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from tests.emulator.projects.installation import Installation, Project, project
from tests.skips import needs_node
from tests.waiting import until


@pytest.fixture(scope="module")
def mixed(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    with project(installation, "mixed", tmp_path_factory.mktemp("projects")) as mixed:
        mixed.up()
        yield mixed


def get(mixed: Project, path: str) -> httpx.Response:
    # Packages and the runtime client are fetched when they are first needed.
    return httpx.get(f"{mixed.origin}{path}", timeout=60)


def sales(mixed: Project) -> list[Any]:
    session: Any = boto3.session.Session()
    items: list[Any] = session.resource("dynamodb", **mixed.aws).Table("ledger").scan()["Items"]
    return items


def test_every_function_is_listed_and_only_what_is_not_run_is_named(mixed: Project):
    listed = mixed.run("routes")

    assert [line.split() for line in listed.stdout.splitlines()] == [
        ["ANY", "/pages/{proxy+}", "Pages"],
        ["GET", "/prices/{item}", "Prices"],
        ["GET", "/quotes/{item}", "Quote"],
        ["queue", "local-Sales", "Book"],
    ]
    (named,) = listed.stderr.splitlines()
    assert "LambdaInsightsExtension:49): it sends CloudWatch what a function uses" in named


def test_a_function_of_python_has_the_packages_of_a_layer_of_another_account(mixed: Project):
    answer = get(mixed, "/prices/apple").json()

    assert answer == {"price": 3, "layer": "/opt/python/iniconfig/__init__.py"}


def test_the_image_reads_the_queue_with_its_own_packages_and_variables(mixed: Project):
    get(mixed, "/prices/apple")
    until(lambda: bool(sales(mixed)))

    assert sales(mixed)[0] | {"id": ""} == {
        "id": "",
        "item": "apple",
        "book": "sales",
        "file": "/var/task/books/book.py",
        "package": "/var/task/iniconfig/__init__.py",
    }


@needs_node
def test_a_function_of_node_calls_one_of_python_through_their_api(mixed: Project):
    assert get(mixed, "/quotes/apple").json() == {
        "item": "apple",
        "price": 3,
        "by": "local-Quote",
        "from": "file:///var/task/quote.mjs",
    }
    assert (get(mixed, "/quotes/pear").status_code, get(mixed, "/quotes/debt").status_code) == (
        404,
        500,
    )


@needs_node
def test_the_log_of_a_function_of_node_names_the_file_that_an_editor_opens(mixed: Project):
    get(mixed, "/quotes/debt")

    mixed.lampwork.until("RangeError: debt costs less than nothing")
    assert any(f"{mixed.root}/quote/quote.mjs:7:" in line for line in mixed.lampwork.output)


def test_a_web_server_answers_behind_the_api(mixed: Project):
    answer = get(mixed, "/pages/start")

    assert answer.headers["content-type"] == "text/html"
    assert answer.text == "<h1>/pages/start</h1> for ANY /pages/{proxy+}"


def test_a_saved_file_of_the_image_is_run_by_the_next_message(mixed: Project):
    file = mixed.root / "ledger" / "books" / "book.py"
    file.write_text(file.read_text().replace('"book": os.environ["BOOK"]', '"book": "edited"'))
    mixed.lampwork.until("Reloaded:")

    get(mixed, "/prices/apple")
    until(lambda: any(each["book"] == "edited" for each in sales(mixed)))
