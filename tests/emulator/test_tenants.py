"""Functions that isolate their tenants: https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html"""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.lampwork_process import SampleProject
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, CodeUri: .}
Resources:
  Report:
    Type: AWS::Serverless::Function
    Properties: {Handler: tenants.report, TenancyConfig: {TenantIsolationMode: PER_TENANT}}
  Plain:
    Type: AWS::Serverless::Function
    Properties: {Handler: tenants.report}
"""
CODE = """\
calls = []

def report(event, context):
    calls.append(event.get("n"))
    print(f"tenant {context.tenant_id}: {calls}")
    return {"tenant": context.tenant_id, "calls": calls}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleProject]:
    project = SampleProject.create(tmp_path_factory.mktemp("tenants"))
    (project.root / "template.yaml").write_text(TEMPLATE)
    (project.root / "tenants.py").write_text(CODE)
    project.up("--no-reload")
    yield project
    project.close()


@pytest.fixture(scope="module")
def client(project: SampleProject) -> Any:
    options: dict[str, Any] = {"endpoint_url": project.started[0].origin()}
    options |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("lambda", region_name="us-east-1", **options)


def invoke(client: Any, n: int, **options: Any) -> Any:
    answer = client.invoke(FunctionName="Report", Payload=json.dumps({"n": n}), **options)
    return json.loads(answer["Payload"].read() or b"null")


def test_each_tenant_has_environments_of_its_own(client: Any):
    assert invoke(client, 1, TenantId="blue") == {"tenant": "blue", "calls": [1]}
    assert invoke(client, 2, TenantId="green") == {"tenant": "green", "calls": [2]}
    assert invoke(client, 3, TenantId="blue") == {"tenant": "blue", "calls": [1, 3]}


def test_an_event_for_a_tenant_runs_in_its_environment(client: Any, project: SampleProject):
    invoke(client, 9, TenantId="red", InvocationType="Event")

    until(lambda: any("tenant red: [9]" in line for line in project.started[0].output))


@pytest.mark.parametrize(
    ("name", "options"),
    [("Report", {}), ("Plain", {"TenantId": "blue"}), ("Report", {"TenantId": "#"})],
)
def test_an_invocation_needs_a_tenant_where_tenants_are_isolated_and_only_there(
    client: Any, name: str, options: dict[str, str]
):
    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName=name, **options)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
