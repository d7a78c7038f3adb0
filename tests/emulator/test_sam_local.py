"""`lampwork start-api`, `start-lambda`, `invoke` and `logs` with the options of `sam`."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme

from lampwork.logs.filters import text_filter
from tests.emulator.lampwork_process import LampworkProcess, SampleProject

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 5, CodeUri: .}
Parameters:
  Stage: {Type: String, Default: dev}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: Prod
      Auth:
        DefaultAuthorizer: Nobody
        Authorizers: {Nobody: {FunctionArn: !GetAtt Refuse.Arn}}
  Refuse:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.refuse}
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Environment: {Variables: {STAGE: !Ref Stage, COLOUR: template, HOME_TOWN: template}}
      Events:
        Get: {Type: Api, Properties: {Method: GET, Path: /hello, RestApiId: !Ref Api}}
"""
CODE = """\
import json, os

def handler(event, context):
    print("asked for", os.environ["STAGE"])
    names = ("STAGE", "COLOUR", "HOME_TOWN", "AWS_REGION", "EXTRA")
    seen = {name: os.environ.get(name) for name in names}
    if "requestContext" not in event:
        return seen
    path = [event["path"], event["requestContext"]["path"], event["requestContext"]["stage"]]
    return {"statusCode": 200, "body": json.dumps({**seen, "path": path})}

def refuse(event, context):
    raise Exception("Unauthorized")
"""
SAMCONFIG = """\
version = 0.1
[default.global.parameters]
region = "eu-west-1"
[default.local_start_api.parameters]
port = 0
disable_authorizer = true
warm_containers = "EAGER"
env_vars = "api.json"
[default.local_invoke.parameters]
event = "event.json"
env_vars = "invoke.json"
parameter_overrides = "Stage=invoked"
skip_pull_image = true
[default.local_start_lambda.parameters]
host = "127.0.0.1"
port = 0
parameter_overrides = "Stage=lambda"
"""


def make(folder: Path) -> SampleProject:
    project = SampleProject.create(folder)
    (folder / "template.yaml").write_text(TEMPLATE)
    (folder / "app.py").write_text(CODE)
    (folder / "api.json").write_text('{"Hello": {"COLOUR": "api"}}')
    (folder / "invoke.json").write_text('{"Hello": {"COLOUR": "invoke"}}')
    (folder / "event.json").write_text('{"from": "samconfig"}')
    (folder / "public").mkdir()
    (folder / "public" / "page.html").write_text("<h1>static</h1>")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[SampleProject]:
    made = make(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleProject]:
    """A project with SAM's configuration."""
    made = make(tmp_path_factory.mktemp("sam"))
    (made.root / "samconfig.toml").write_text(SAMCONFIG)
    yield made
    made.close()


@pytest.fixture(scope="module")
def start_api(configured: SampleProject) -> LampworkProcess:
    return configured.start("local", "start-api", "--no-watch", "--log-file", "sam.log")


@pytest.fixture(scope="module")
def origin(start_api: LampworkProcess) -> str:
    return start_api.origin()


def get(url: str, **options: Any) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, **options) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("path", ["/hello", "/Prod/hello"])
def test_a_rest_api_needs_no_stage_and_its_event_is_that_of_aws(origin: str, path: str) -> None:
    status, body = get(f"{origin}{path}")

    assert status == 200
    assert json.loads(body)["path"] == ["/hello", "/Prod/hello", "Prod"]


def test_start_api_takes_its_section_of_sams_configuration(
    origin: str, configured: SampleProject, start_api: LampworkProcess
) -> None:
    answer = json.loads(get(f"{origin}/hello")[1])

    assert {name: answer[name] for name in ("STAGE", "COLOUR", "AWS_REGION")} == {
        **{"STAGE": "dev", "COLOUR": "api"},
        "AWS_REGION": "eu-west-1",
    }
    assert "asked for dev" in (configured.root / "sam.log").read_text()
    assert not any("has no effect here" in line for line in start_api.output)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/page.html", (200, b"<h1>static</h1>")),
        ("/../app.py", (403, None)),
        ("/%2e%2e/app.py", (403, None)),
        ("/nothing", (403, None)),
    ],
)
def test_files_are_served_where_no_route_is(
    origin: str, path: str, answer: tuple[int, bytes | None]
) -> None:
    status, body = get(f"{origin}{path}")

    assert (status, body if answer[1] else None) == answer


def test_invoke_takes_its_section_of_sams_configuration(configured: SampleProject) -> None:
    called = configured.run("local", "invoke", "Hello")

    seen = json.loads(called.stdout)
    assert (seen["STAGE"], seen["COLOUR"], seen["AWS_REGION"]) == ("invoked", "invoke", "eu-west-1")


def test_start_lambda_takes_its_section_of_sams_configuration(configured: SampleProject) -> None:
    data = ("--data", "lambda-data")
    running = configured.start("local", "start-lambda", "Hello", *data)
    client = boto3.client(
        "lambda",
        endpoint_url=running.origin(),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )

    answer = client.invoke(FunctionName="Hello")

    assert json.load(answer["Payload"])["STAGE"] == "lambda"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="Refuse")


def test_the_403_of_an_api_without_its_stage_is_explained_in_the_log(
    project: SampleProject,
) -> None:
    running = project.up()
    origin = running.origin()

    assert get(f"{origin}/hello") == (403, b'{"message":"Forbidden"}')
    running.until(f"as on AWS, ask {origin}/Prod/hello")


def test_variables_come_from_the_shell_only_when_asked_for(project: SampleProject) -> None:
    (project.root / "more.json").write_text('{"EXTRA": 7, "Hello": {"HOME_TOWN": "file"}}')
    before = "export COLOUR=shell HOME_TOWN=shell"
    options = ("--container-env-vars", "more.json", "--region", "ap-south-1")

    seen = []
    for more in ([], ["--shell-env"]):
        called = project.start("invoke", "Hello", *options, *more, before=before)
        seen.append(json.loads(called.until('"STAGE"')))
        called.process.wait(90)

    assert [each["COLOUR"] for each in seen] == ["template", "shell"]
    assert [each["HOME_TOWN"] for each in seen] == ["file", "file"]
    assert [(each["EXTRA"], each["AWS_REGION"]) for each in seen] == [("7", "ap-south-1")] * 2


@pytest.mark.parametrize("running", [True, False])
def test_a_tenant_is_given_to_a_function_that_isolates_tenants(
    project: SampleProject, running: bool
) -> None:
    """Source: https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html"""
    isolated = "Handler: app.tenant, TenancyConfig: {TenantIsolationMode: PER_TENANT}"
    project.edit("template.yaml", lambda text: text.replace("Handler: app.refuse", isolated))
    project.edit("app.py", lambda text: text + "\ndef tenant(event, c): return c.tenant_id\n")
    if running:
        project.up().origin()

    called = project.run("invoke", "Refuse", "--tenant-id", "blue")

    assert (called.returncode, called.stdout) == (0, '"blue"\n')


def test_a_profile_gives_its_region_alone(project: SampleProject) -> None:
    (project.root / "aws").write_text("[profile work]\nregion = sa-east-1\n")
    before = f"unset AWS_REGION AWS_DEFAULT_REGION; export AWS_CONFIG_FILE={project.root}/aws"

    called = project.start("invoke", "Hello", "--profile", "work", before=before)
    called.process.wait(90)
    refused = project.start("invoke", "Hello", "--profile", "absent", before=before)

    assert json.loads(called.until('"STAGE"'))["AWS_REGION"] == "sa-east-1"
    refused.until("Error: --profile absent: The config profile (absent) could not be found.")


def test_a_certificate_of_the_users_own_is_shown(project: SampleProject) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    (project.root / "key.pem").write_bytes(issued.private_key_pem.bytes())
    (project.root / "cert.pem").write_bytes(issued.cert_chain_pems[0].bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)

    files = ("--ssl-cert-file", "cert.pem", "--ssl-key-file", "key.pem")
    running = project.start("start-api", "-p", "0", *files)
    origin = running.origin().replace("http:", "https:")

    assert get(f"{origin}/hello", context=context)[0] == 401  # by the authorizer


def test_a_certificate_without_its_key_is_refused(project: SampleProject) -> None:
    (project.root / "cert.pem").write_text("")

    refused = project.run("start-api", "--ssl-cert-file", "cert.pem")

    assert refused.stderr == "Error: --ssl-cert-file and --ssl-key-file belong together.\n"


def test_logs_are_filtered_by_text_and_time(origin: str, configured: SampleProject) -> None:
    get(f"{origin}/hello")

    def shown(*options: str) -> str:
        return configured.run("logs", "-n", "Hello", *options).stdout

    assert "asked for dev" in shown("--filter", "asked -nobody", "-s", "5mins ago", "-e", "now")
    assert shown("--filter", "nobody") == ""
    assert shown("--start-time", "2099-01-01") == ""
    assert shown("--end-time", "yesterday") == ""
    entry = json.loads(shown("--filter", '"asked for"', "--output", "json").splitlines()[-1])
    assert (entry["source"], entry["message"]) == ("Hello", "asked for dev")


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--filter", "{ $.level = 1 }", "none of JSON or of columns"),
        ("--filter", "%(%", "unterminated subpattern"),
        ("-s", "whenever", "is no time such as '5mins ago'"),
    ],
)
def test_a_filter_or_a_time_that_is_none_is_refused(
    configured: SampleProject, option: str, value: str, problem: str
) -> None:
    refused = configured.run("logs", option, value)

    assert refused.returncode == 2
    assert problem in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR] 1", True),
        ("ERROR ARGUMENTS", "ERROR 1", False),
        ("?ERROR ?WARN", "WARN 1", True),
        ("?ERROR ?WARN", "INFO 1", False),
        ("ERROR -ARGUMENTS", "ERROR INVALID ARGUMENTS", False),
        ('"INTERNAL SERVER ERROR"', "500 INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "SERVER INTERNAL ERROR", False),
        ("%[0-9]{3}%", "code 404", True),
    ],
)
def test_a_text_pattern_finds_the_lines_that_cloudwatch_finds(
    pattern: str, line: str, matches: bool
) -> None:
    """Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html"""
    assert text_filter(pattern)(line) is matches
