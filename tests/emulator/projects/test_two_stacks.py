"""Two stacks beside each other, of which one imports what the other exports."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.projects.installation import Installation, Project, project
from tests.waiting import until

# The stack that imports comes first: the order does not matter.
TEMPLATES = ("-t", "shop/template.yaml", "-t", "catalogue/template.yaml")


@pytest.fixture(scope="module")
def stacks(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    with project(installation, "two_stacks", tmp_path_factory.mktemp("projects")) as stacks:
        stacks.up("--strict", *TEMPLATES)
        yield stacks


def cloudformation(stacks: Project) -> Any:
    session: Any = boto3.session.Session()
    return session.client("cloudformation", **stacks.aws)


def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def output(stacks: Project, stack: str, name: str) -> str:
    (described,) = cloudformation(stacks).describe_stacks(StackName=stack)["Stacks"]
    values = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
    return str(values[name])


def test_a_stack_uses_what_another_exports(stacks: Project) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html"""
    url = output(stacks, "catalogue", "Url")

    put = ask(f"{url}1", "PUT", {"title": "Ulysses"})
    ask(f"{stacks.origin}/shop/1", "POST")

    until(lambda: ask(f"{stacks.origin}/shop/1").get("sold"))
    assert put == {"by": "catalogue-Web"}
    assert ask(f"{stacks.origin}/shop/1") == {
        "isbn": "1",
        "title": "Ulysses",
        "sold": True,
        "by": "shop-Web",
        "motto": "read more",
    }


def test_cloudformation_describes_both_stacks(stacks: Project) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html"""
    (catalogue,) = cloudformation(stacks).describe_stacks(StackName="catalogue")["Stacks"]
    outputs = {each["OutputKey"]: each for each in catalogue["Outputs"]}

    assert catalogue["StackStatus"] == "CREATE_COMPLETE"
    assert catalogue["Description"] == "Books, which other stacks may read."
    assert catalogue["Parameters"] == [
        {"ParameterKey": "Stage", "ParameterValue": "test"},
        {"ParameterKey": "Secret", "ParameterValue": "****"},
    ]
    assert outputs["Table"] == {
        "OutputKey": "Table",
        "OutputValue": "catalogue-Books",
        "ExportName": "test-books",
    }
    assert outputs["Url"]["Description"] == "Where books are put"
    listed = cloudformation(stacks).list_stacks()["StackSummaries"]
    assert [each["StackName"] for each in listed] == ["shop", "catalogue"]
    exports = cloudformation(stacks).list_exports()["Exports"]
    assert {each["Name"] for each in exports} == {"test-books", "test-orders", "motto"}
    assert {each["ExportingStackId"] for each in exports} == {catalogue["StackId"]}


def test_cloudformation_lists_the_resources_with_their_physical_ids(stacks: Project) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackResources.html"""
    client = cloudformation(stacks)

    listed = client.list_stack_resources(StackName="catalogue")["StackResourceSummaries"]
    ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed}
    one = client.describe_stack_resource(StackName="shop", LogicalResourceId="Web")
    of_table = client.describe_stack_resources(PhysicalResourceId="catalogue-Books")

    assert ids["Books"] == "catalogue-Books"
    assert ids["Web"] == "catalogue-Web"
    assert ids["Orders"].endswith("/000000000000/catalogue-Orders")
    assert one["StackResourceDetail"]["ResourceType"] == "AWS::Lambda::Function"
    assert {each["StackName"] for each in of_table["StackResources"]} == {"catalogue"}


def test_a_stack_that_is_not_there_is_refused_with_the_words_of_aws(stacks: Project) -> None:
    with pytest.raises(ClientError, match="Stack with id other does not exist"):
        cloudformation(stacks).describe_stacks(StackName="other")


def test_a_saved_export_reaches_the_other_stack(stacks: Project) -> None:
    template = stacks.root / "catalogue" / "template.yaml"
    template.write_text(template.read_text().replace("read more", "read on"))
    stacks.lampwork.until("Reloaded: ")

    until(lambda: ask(f"{stacks.origin}/shop/2")["motto"] == "read on")


def test_one_function_of_one_stack_is_served_alone(stacks: Project) -> None:
    routes = stacks.run("routes", *TEMPLATES)

    assert "shop/Web" in routes.stdout
    assert "catalogue/Fulfil" in routes.stdout
    stacks.lampwork.stop()
    stacks.up("--only", "catalogue/Web", *TEMPLATES)
    shown = "".join(stacks.lampwork.output)
    assert "catalogue/Web" in shown
    assert "shop/Web" not in shown


def test_two_stacks_of_one_name_are_refused(stacks: Project) -> None:
    (stacks.root / "more" / "shop").mkdir(parents=True)
    other = stacks.root / "more" / "shop" / "template.yaml"
    other.write_text((stacks.root / "shop" / "template.yaml").read_text())

    refused = stacks.run("routes", "-t", "shop/template.yaml", "-t", str(other))

    assert refused.returncode == 1
    assert "are all named 'shop'" in refused.stderr
