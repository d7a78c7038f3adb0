"""A project as teams have them: packages of each function's own, some in two versions, some
vendored, and a project beside the functions that several share."""

import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.emulator.projects.installation import Installation, Project, project


@pytest.fixture(scope="module")
def shop(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project(installation, "vendored", tmp_path_factory.mktemp("projects")) as shop:
        (shop.root / "wheels").mkdir()
        for version in ("1.0", "2.0"):
            wheel(shop.root / "wheels", version)
        shop.up()
        yield shop


def wheel(folder: Path, version: str) -> None:
    about = f"prices-{version}.dist-info"
    with zipfile.ZipFile(folder / f"prices-{version}-py3-none-any.whl", "w") as file:
        file.writestr("prices.py", f"PRICE = {version!r}\n")
        file.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: prices\nVersion: {version}\n"
        )
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/RECORD", "")


def get(shop: Project, path: str) -> Any:
    with urllib.request.urlopen(f"{shop.origin}{path}") as response:
        return json.load(response)


def invoke(shop: Project, name: str) -> dict[str, Any]:
    options: dict[str, Any] = dict(shop.aws)
    answer = boto3.client("lambda", **options).invoke(FunctionName=name)
    return {"error": answer.get("FunctionError"), "payload": json.load(answer["Payload"])}


def test_two_functions_have_two_versions_of_a_package(shop: Project) -> None:
    assert get(shop, "/quote")["price"] == "2.0"
    assert get(shop, "/old") == {"price": "1.0"}


def test_a_vendored_package_is_not_installed_again(shop: Project) -> None:
    assert invoke(shop, "monthly-report") == {"error": None, "payload": {"price": "vendored"}}
    assert "report/requirements.txt" not in "".join(shop.lampwork.output)


def test_what_cannot_be_installed_concerns_its_own_route_alone(shop: Project) -> None:
    with pytest.raises(urllib.error.HTTPError) as answer:
        get(shop, "/broken")
    invoked = invoke(shop, "Broken")

    assert answer.value.code == 500
    assert json.load(answer.value) == {"message": "Internal Server Error"}
    assert invoked["error"] == "Unhandled"
    assert "broken/requirements.txt cannot be installed by uv" in invoked["payload"]["errorMessage"]
    assert get(shop, "/old") == {"price": "1.0"}


def test_a_save_in_the_shared_project_takes_effect(shop: Project) -> None:
    assert get(shop, "/quote")["catalogue"] == "Spring"

    (shop.root / "shared" / "src" / "catalogue" / "__init__.py").write_text('TITLE = "Autumn"\n')
    shop.lampwork.until("Reloaded")

    assert get(shop, "/quote")["catalogue"] == "Autumn"


def test_a_saved_requirements_file_takes_effect(shop: Project) -> None:
    file = shop.root / "functions" / "broken" / "requirements.txt"
    file.write_text("--no-index\n--find-links ../../wheels\nprices\n")
    shop.lampwork.until("Reloaded")

    assert get(shop, "/broken") == {"price": "2.0"}
