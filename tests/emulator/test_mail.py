"""Mails that a program sends from the identities of its template, as boto3 sees it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ses-emailidentity.html
"""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.lampwork_process import SampleProject

TEMPLATE = """\
Resources:
  Sender: {Type: AWS::SES::EmailIdentity, Properties: {EmailIdentity: ann@example.com}}
  Domain: {Type: AWS::SES::EmailIdentity, Properties: {EmailIdentity: example.org}}
  Mails: {Type: AWS::SES::ConfigurationSet, Properties: {Name: mails}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleProject]:
    root = tmp_path_factory.mktemp("mail")
    (root / "template.yaml").write_text(TEMPLATE)
    (root / "pyproject.toml").write_text('[tool.lampwork]\nport = 0\nservices = ["aws"]\n')
    created = SampleProject(root)
    yield created
    created.close()


def ses(project: SampleProject) -> Any:
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    return session.client("ses", endpoint_url=project.up().origin())


def send(client: Any, source: str) -> None:
    client.send_email(
        Source=source,
        Destination={"ToAddresses": ["bob@example.net"]},
        Message={"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hello"}}},
        ConfigurationSetName="mails",
    )


def test_identities_of_the_template_can_send_also_after_a_new_start(project: SampleProject) -> None:
    for _ in range(2):
        client = ses(project)
        send(client, "Ann <ann@example.com>")
        send(client, "anybody@example.org")
        with pytest.raises(ClientError, match="not verified"):
            send(client, "eve@example.net")
        sets = client.list_configuration_sets()["ConfigurationSets"]
        assert sets == [{"Name": "mails"}]
        project.started[-1].stop()
