import json

import pytest

from tests.emulator.lampwork_process import LampworkProcess, SampleProject

COMMAND = """
commands = [{ name = "migrate", run = "echo migrated" }]

[tool.lampwork.processes.worker]
run = "echo working"
"""


CHAIN = """
import boto3, urllib.request

def chain(event, context):
    if event.get("later"):
        print("it was an event")
        return None
    functions = boto3.client("lambda")
    answer = functions.invoke(FunctionName="local-Hello", Payload=b"{}")["Payload"].read()
    functions.invoke(
        FunctionName="local-Fail", InvocationType="Event", Payload=b'{"later": true}'
    )
    endpoint = os.environ["AWS_ENDPOINT_URL_LAMBDA"]
    with urllib.request.urlopen(f"{endpoint}/hello") as response:
        return [json.loads(answer)["greeting"], json.load(response)["greeting"]]
"""


@pytest.fixture
def lampwork(project: SampleProject) -> LampworkProcess:
    running = project.up("--verbose")
    running.origin()
    return running


def test_a_running_lampwork_serves_the_call(
    project: SampleProject, lampwork: LampworkProcess
) -> None:
    called = project.run("invoke", "Hello", "-e", "-", stdin='{"name": "Ada"}')

    assert called.returncode == 0
    assert json.loads(called.stdout) == {"greeting": "hello", "colour": "template", "event": "Ada"}
    assert "START RequestId: " in called.stderr
    assert "REPORT RequestId: " in called.stderr
    lampwork.until("REPORT RequestId: ")


def test_options_beside_a_running_lampwork_give_the_call_an_environment_of_its_own(
    project: SampleProject, lampwork: LampworkProcess
) -> None:
    project.edit(
        "template.yaml",
        lambda text: "Parameters: {P: {Type: String, Default: x}}\n"
        + (text.replace("COLOUR: template", "COLOUR: !Ref P")),
    )
    lampwork.until("Reloaded")
    (project.root / "variables.json").write_text('{"Hello": {"COLOUR": "file"}}')

    by_env = project.run("invoke", "Hello", "--env", "COLOUR=blue")
    by_file = project.run("invoke", "Hello", "-n", "variables.json")
    by_parameter = project.run("invoke", "Hello", "--parameter-overrides", "P=red")
    plain = project.run("invoke", "Hello")

    answers = [json.loads(each.stdout)["colour"] for each in (by_env, by_file, by_parameter, plain)]
    assert answers == ["blue", "file", "red", "x"]
    assert "this invocation has an environment of its own" in by_env.stderr
    assert "of its own" not in plain.stderr
    assert not list((project.root / ".lampwork").glob("beside-*"))
    assert lampwork.process.poll() is None


def test_another_template_beside_a_running_lampwork_has_services_of_its_own(
    project: SampleProject, lampwork: LampworkProcess
) -> None:
    other = (
        (project.root / "template.yaml").read_text().replace("COLOUR: template", "COLOUR: other")
    )
    (project.root / "other.yaml").write_text(other)

    called = project.run("invoke", "Hello", "-t", "other.yaml")

    assert json.loads(called.stdout)["colour"] == "other"
    assert f"runs another template, {project.root}/template.yaml" in called.stderr
    assert lampwork.process.poll() is None


def test_a_function_invoked_alone_may_invoke_others_and_its_own_api(
    project: SampleProject,
) -> None:
    project.edit("hello.py", lambda text: text + CHAIN)
    project.edit("template.yaml", lambda text: text.replace("hello.fail", "hello.chain"))

    called = project.run("invoke", "Fail")

    assert json.loads(called.stdout) == ["hello", "hello"]
    assert "it was an event" in called.stderr


def test_a_call_without_a_running_lampwork_starts_what_it_needs(project: SampleProject) -> None:
    project.configure(COMMAND)
    (project.root / "event.json").write_text('{"name": "Ada"}')

    called = project.run("invoke", "Hello", "-e", "event.json", "--env", "COLOUR=blue")

    assert called.returncode == 0
    assert json.loads(called.stdout) == {"greeting": "hello", "colour": "blue", "event": "Ada"}
    assert "migrated" in called.stderr
    assert "working" not in called.stderr
    assert "REPORT RequestId: " in called.stderr
    assert project.left_in_data() == set()


@pytest.mark.parametrize("running", [True, False])
def test_a_failing_function_ends_the_call_with_1(project: SampleProject, running: bool) -> None:
    if running:
        project.up().origin()

    called = project.run("invoke", "Fail")

    assert called.returncode == 1
    assert json.loads(called.stdout)["errorMessage"] == "on purpose"
    assert called.stderr.count("ValueError: on purpose") == 1
    assert "\xa0" not in called.stderr  # by which AWS's client indents what it joins
    assert 'raise ValueError("on purpose")' in called.stderr


@pytest.mark.parametrize(("running", "name"), [(True, "Hello:$LATEST"), (False, "Hello")])
def test_a_function_that_cannot_be_loaded_is_reported_once(
    project: SampleProject, running: bool, name: str
) -> None:
    if running:
        project.up("--no-reload").origin()
    (project.root / "hello.py").write_text("def handler(:\n")

    called = project.run("invoke", name)

    assert called.returncode == 1
    assert called.stderr.count("hello.py:1: invalid syntax; Hello cannot be loaded.") == 1
    assert "[ERROR]" not in called.stderr
    assert "Traceback" not in called.stderr
    assert json.loads(called.stdout)["errorType"] == "Runtime.UserCodeSyntaxError"


@pytest.mark.parametrize("running", [True, False])
def test_an_unknown_function_is_named(project: SampleProject, running: bool) -> None:
    if running:
        project.up().origin()

    called = project.run("invoke", "Nobody")

    assert called.returncode == 1
    assert called.stdout == ""
    assert "Error: There is no function 'Nobody'." in called.stderr
    assert "Traceback" not in called.stderr


@pytest.mark.parametrize("running", [True, False])
def test_a_mistyped_function_is_guessed(project: SampleProject, running: bool) -> None:
    if running:
        project.up().origin()

    called = project.run("invoke", "helo")

    assert "Error: There is no function 'helo' (did you mean Hello?)." in called.stderr


def test_a_log_that_is_cut_within_a_character_is_shown(
    project: SampleProject, lampwork: LampworkProcess
) -> None:
    project.edit(
        "hello.py", lambda text: text + "\ndef wide(event, context):\n    print('ü' * 4000)"
    )
    project.edit("template.yaml", lambda text: text.replace("hello.fail", "hello.wide"))
    lampwork.until("Reloaded")

    called = project.run("invoke", "Fail")

    assert (called.returncode, called.stdout) == (0, "null\n")
    assert "üüü" in called.stderr


def test_an_event_of_powershell_is_said_to_be_in_utf_16(project: SampleProject) -> None:
    (project.root / "event.json").write_text('{"name": "Ada"}', encoding="utf-16")

    called = project.run("invoke", "Hello", "-e", "event.json")

    assert called.returncode == 1
    assert called.stderr == (
        "Error: The event event.json cannot be read: it is in UTF-16, as PowerShell's > writes it;"
        " save it in UTF-8.\n"
    )


def test_variables_of_json_become_text_as_sam_writes_them(project: SampleProject) -> None:
    """Source: EnvironmentVariables._stringify_value of aws-sam-cli."""
    values = {"A": True, "B": False, "C": None, "D": 1.5, "E": [1], "F": {"a": 1}, "G": "text"}
    (project.root / "variables.json").write_text(json.dumps({"Hello": values, "Helo": {}}))
    (project.root / "event.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    project.edit(
        "hello.py",
        lambda _: "import os\ndef handler(event, context): return [*map("
        "os.environ.get, 'ABCDEFG')]",
    )

    called = project.run("invoke", "Hello", "-n", "variables.json", "-e", "event.json")

    assert json.loads(called.stdout) == ["true", "false", "", "1.5", "", "", "text"]
    assert "--env-vars names no function: Helo." in called.stderr


def test_an_event_must_be_json(project: SampleProject) -> None:
    called = project.run("invoke", "Hello", "-e", "-", stdin="{name: Ada}")

    assert called.returncode == 1
    assert called.stderr.startswith("Error: The event <stdin> is not JSON: ")


def test_routes_lists_every_way_into_a_function(project: SampleProject) -> None:
    listed = project.run("routes")

    assert listed.returncode == 0
    assert [line.split() for line in listed.stdout.splitlines()] == [
        ["GET", "/hello", "Hello"],
        ["invoke", "Fail"],
    ]


EVENTS = """\
  Topic: {Type: AWS::SNS::Topic}
  Uploads: {Type: AWS::S3::Bucket, Properties: {BucketName: uploads}}
  Told:
    Type: AWS::Serverless::Function
    Properties:
      Handler: hello.handler
      Events:
        Topic: {Type: SNS, Properties: {Topic: !Ref Topic}}
        Bucket: {Type: S3, Properties: {Bucket: !Ref Uploads, Events: "s3:ObjectCreated:*"}}
        Rule:
          Type: EventBridgeRule
          Properties: {RuleName: shipped, Pattern: {source: [shop]}}
  Guard:
    Type: AWS::Serverless::Function
    Properties: {Handler: hello.handler}
  Sockets:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: live
      RouteSelectionExpression: $request.body.action
      Auth: {AuthType: CUSTOM, AuthArn: !GetAtt Guard.Arn}
      Routes: {$connect: {FunctionArn: !GetAtt Told.Arn}}
  Other:
    Type: AWS::Serverless::Function
    Properties: {Handler: index.handler, Runtime: ruby3.3}
"""


def test_routes_lists_topics_buckets_and_rules_and_names_what_does_not_run(
    project: SampleProject,
) -> None:
    project.edit("template.yaml", lambda text: text + EVENTS)

    listed = project.run("routes")

    assert [line.split() for line in listed.stdout.splitlines()] == [
        ["GET", "/hello", "Hello"],
        ["WS", "/live", "$connect", "Told"],
        ["bucket", "uploads", "s3:ObjectCreated:*", "Told"],
        ["rule", "shipped", "Told"],
        ["topic", "local-Topic", "Told"],
        ["invoke", "Fail"],
        ["authorizer", "Guard"],
    ]
    assert listed.stderr == (
        "Not emulated: template.yaml, line 40: Other (AWS::Serverless::Function):"
        " its runtime is ruby3.3; Lampwork runs Python and Node.js\n"
    )


SCHEDULES = """\
      Events:
        First: {Type: Schedule, Properties: {Schedule: !Ref First}}
        Second: {Type: Schedule, Properties: {Schedule: !Ref Second}}
Parameters: {First: {Type: String}, Second: {Type: String}}
"""


def test_overrides_of_parameters_may_follow_one_another_as_for_sam(project: SampleProject) -> None:
    function = "Resources:\n  Work:\n    Type: AWS::Serverless::Function\n    Properties:\n"
    code = "      Handler: hello.handler\n      Runtime: python3.11\n"
    text = f"Transform: AWS::Serverless-2016-10-31\n{function}{code}{SCHEDULES}"
    (project.root / "template.yaml").write_text(text)

    listed = project.run(
        *(
            "routes",
            "--parameter-overrides",
            'First="rate(1 hour)"',
            'Second="rate(1 day)"',
            "--data",
            "d",
        )
    )

    assert [line.split()[1:4] for line in listed.stdout.splitlines()] == [
        ["rate(1", "hour)", "Work"],
        ["rate(1", "day)", "Work"],
    ]


def test_a_template_without_a_function_that_runs_says_so(project: SampleProject) -> None:
    (project.root / "template.yaml").write_text("Resources: {Jobs: {Type: AWS::SQS::Queue}}\n")

    listed = project.run("routes")

    assert listed.stdout == "  The template has no function that Lampwork runs.\n"


def test_a_missing_template_is_named(project: SampleProject) -> None:
    called = project.run("routes", "--template", "infra/stack.yaml")

    assert called.returncode == 1
    assert called.stderr.endswith("/infra/stack.yaml. Name yours with --template.\n")


def test_it_prints_its_version(project: SampleProject) -> None:
    assert project.run("--version").stdout.startswith("lampwork 0.")
