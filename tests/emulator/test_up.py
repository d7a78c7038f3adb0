import json
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest

from tests.emulator.lampwork_process import SampleProject, family, until_gone

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CRASHING = """
[tool.lampwork.processes.worker]
run = "sh -c 'echo working; exit 7'"
"""

LASTING = """
[tool.lampwork.processes.worker]
run = "sh -c 'echo working; sleep 600'"
"""

NESTING = """\
  Till:
    Type: AWS::Serverless::Application
    Properties: {Location: till/template.yaml, Parameters: {Owner: !Ref Hello}}
"""

NESTED = """\
Transform: AWS::Serverless-2016-10-31
Parameters: {Owner: {Type: String}}
Resources:
  Open:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: hello.handler
      CodeUri: ..
      Environment: {Variables: {COLOUR: !Sub "silver of ${Owner}"}}
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /till}}
"""


def greeting(origin: str) -> str:
    return str(httpx.get(f"{origin}/hello").json()["greeting"])


def colour(origin: str) -> str:
    return str(httpx.get(f"{origin}/hello").json()["colour"])


def test_a_project_is_served_and_an_edit_takes_effect(project: SampleProject) -> None:
    lampwork = project.up()
    origin = lampwork.origin()
    before = greeting(origin)

    project.edit("hello.py", lambda code: code.replace('"hello"', '"howdy"'))
    lampwork.until("Reloaded")

    assert (before, greeting(origin)) == ("hello", "howdy")
    assert any("GET" in line and "/hello" in line and "Hello" in line for line in lampwork.output)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_process_and_no_lock(
    project: SampleProject, number: signal.Signals
) -> None:
    project.configure(LASTING)
    lampwork = project.up()
    assert greeting(lampwork.origin()) == "hello"
    processes = family(lampwork.pid)

    status = lampwork.stop(number)

    assert status == 0
    assert len(processes) >= 5  # redis, fork server, function, shell, sleep
    until_gone(processes)
    assert project.left_in_data() == set()
    assert "Traceback" not in "".join(lampwork.output)


def test_a_signal_during_the_start_leaves_nothing_either(project: SampleProject) -> None:
    project.configure("commands = [{ name = 'migrate', run = \"sh -c 'echo begun; sleep 600'\" }]")
    lampwork = project.up()
    lampwork.until("begun")
    processes = family(lampwork.pid)

    lampwork.process.send_signal(signal.SIGTERM)
    status = lampwork.stop(signal.SIGTERM)

    assert status == 0
    until_gone(processes)
    assert project.left_in_data() == set()


def test_a_killed_lampwork_leaves_no_process_and_the_next_one_starts(
    project: SampleProject,
) -> None:
    project.configure(LASTING)
    lampwork = project.up()
    greeting(lampwork.origin())
    processes = family(lampwork.pid)

    lampwork.stop(signal.SIGKILL)

    until_gone(processes)
    assert greeting(project.up().origin()) == "hello"
    assert len(list((project.root / ".lampwork" / "tmp").iterdir())) == 1  # the new environment's


def test_a_second_lampwork_on_the_same_data_is_refused(project: SampleProject) -> None:
    lampwork = project.up()
    origin = lampwork.origin()

    second = project.run("up")

    assert second.returncode == 1
    assert second.stderr.startswith(f"Error: Lampwork is already running at {origin} (pid ")
    assert str(lampwork.pid) in second.stderr
    assert greeting(origin) == "hello"


def test_a_nested_stack_is_served_and_an_edit_of_its_template_takes_effect(
    project: SampleProject,
) -> None:
    (project.root / "till").mkdir()
    (project.root / "till" / "template.yaml").write_text(NESTED)
    project.edit("template.yaml", lambda text: text + NESTING)
    lampwork = project.up()
    origin = lampwork.origin()
    before = httpx.get(f"{origin}/till").json()["colour"]

    project.edit("till/template.yaml", lambda text: text.replace("silver", "gold"))
    lampwork.until("Reloaded")
    after = httpx.get(f"{origin}/till").json()["colour"]
    invoked = project.run("invoke", "Open", "-e", "-", stdin='{"name": "Ada"}')

    assert (before, after) == ("silver of local-Hello", "gold of local-Hello")
    assert json.loads(invoked.stdout)["event"] == "Ada"


def test_a_process_that_crashes_is_started_again_while_requests_are_served(
    project: SampleProject,
) -> None:
    project.configure(CRASHING)
    lampwork = project.up()
    origin = lampwork.origin()

    lampwork.until("It ended with status 7; starting it again in 0.4 s.")

    assert greeting(origin) == "hello"


def test_a_process_is_restarted_when_code_changes_unless_it_is_told_not_to(
    project: SampleProject,
) -> None:
    project.configure(LASTING + "[tool.lampwork.processes.db]\nrun='sleep 600'\nreload = false\n")
    lampwork = project.up()
    lampwork.until("working")
    run = project.root / ".lampwork" / "run"
    worker, db = (run / "worker.pid").read_text(), (run / "db.pid").read_text()

    project.edit("hello.py", lambda code: code + "\n")
    lampwork.until("working")

    assert (run / "worker.pid").read_text() != worker
    assert (run / "db.pid").read_text() == db


def test_a_syntax_error_is_said_once_and_is_no_reload(project: SampleProject) -> None:
    (project.root / "shared.py").write_text("X = 1\n")
    lampwork = project.up()
    origin = lampwork.origin()

    (project.root / "shared.py").write_text("X = (\n")
    lampwork.until("shared.py:1: '(' was never closed; what imports it fails until it is mended.")
    assert not any("Reloaded" in line for line in lampwork.output)
    (project.root / "shared.py").write_text("X = 2\n")
    lampwork.until("Reloaded")

    assert greeting(origin) == "hello"
    assert sum("never closed" in line for line in lampwork.output) == 1


def test_quiet_lines_of_a_process_go_to_the_log_file_alone(project: SampleProject) -> None:
    project.configure("""
[tool.lampwork.processes.worker]
run = "sh -c 'echo [INFO] booting; echo working; sleep 600'"
quiet = '\\[INFO\\]'
""")
    lampwork = project.up()
    lampwork.until("working")

    lampwork.stop()
    assert not any("booting" in line for line in lampwork.output)
    assert "booting" in (project.root / ".lampwork" / "lampwork.log").read_text()


def test_a_failing_command_ends_the_start_with_its_output(project: SampleProject) -> None:
    project.configure("commands = [{ name = 'migrate', run = \"sh -c 'echo no table; exit 3'\" }]")

    failed = project.run("up")

    assert failed.returncode == 1
    assert "migrate        no table" in failed.stdout
    assert "Error: The command migrate (sh -c echo no table; exit 3) ended with status 3" in (
        failed.stderr
    )
    assert project.left_in_data() == set()


def test_a_taken_port_is_reported_before_anything_starts(project: SampleProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        failed = project.run("up", "--port", str(port))

    assert failed.returncode == 1
    assert failed.stderr.startswith(f"Error: Port {port} on 127.0.0.1 is in use")
    assert project.left_in_data() == set()


def test_a_broken_template_changes_nothing_until_it_is_fixed(project: SampleProject) -> None:
    lampwork = project.up()
    origin = lampwork.origin()

    project.edit("template.yaml", lambda text: text + "  Broken: [\n")
    lampwork.until("Going on with what was read before")
    while_broken = greeting(origin)
    project.edit(
        "template.yaml",
        lambda text: text.replace("  Broken: [\n", "").replace("Path: /hello", "Path: /hi"),
    )
    lampwork.until("Reloaded")

    assert while_broken == "hello"
    assert any("template.yaml:19: " in line for line in lampwork.output)
    assert httpx.get(f"{origin}/hi").status_code == 200
    assert httpx.get(f"{origin}/hello").status_code == 404


def test_a_saved_template_says_which_routes_came_and_went(project: SampleProject) -> None:
    lampwork = project.up()
    lampwork.origin()
    started = len(lampwork.output)

    project.edit("template.yaml", lambda text: text.replace("Path: /hello", "Path: /hi"))
    lampwork.until("Reloaded")

    printed = [line.split(maxsplit=2)[2].rstrip() for line in lampwork.output[started:]]
    assert [line for line in printed if "GET" in line] == [
        "Removed: GET /hello, Hello",
        "Added: GET /hi, Hello",
    ]


def test_a_saved_definition_of_an_api_takes_effect(project: SampleProject) -> None:
    def definition(path: str) -> str:
        uri = "arn:aws:lambda:us-east-1:000000000000:function:local-Hello"
        integration = {"type": "aws_proxy", "uri": uri}
        return json.dumps(
            {"paths": {path: {"get": {"x-amazon-apigateway-integration": integration}}}}
        )

    api = """\
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {DefinitionUri: api/open.json}
"""
    (project.root / "api").mkdir()
    (project.root / "api" / "open.json").write_text(definition("/one"))
    project.edit("template.yaml", lambda text: text + api)
    lampwork = project.up()
    lampwork.origin()

    (project.root / "api" / "open.json").write_text(definition("/two"))

    lampwork.until("/two, Hello")


def test_a_saved_configuration_of_sam_takes_effect(project: SampleProject) -> None:
    project.edit(
        "template.yaml",
        lambda text: (
            text.replace("COLOUR: template", "COLOUR: !Ref Colour")
            + "Parameters: {Colour: {Type: String, Default: red}}\n"
        ),
    )
    lampwork = project.up()
    url = lampwork.origin() + "/hello"
    before = httpx.get(url).json()["colour"]

    (project.root / "samconfig.yaml").write_text(
        "default: {deploy: {parameters: {parameter_overrides: Colour=blue}}}\n"
    )
    lampwork.until("Reloaded")

    assert (before, httpx.get(url).json()["colour"]) == ("red", "blue")


def test_a_broken_template_in_a_folder_of_its_own_is_reported_once(
    project: SampleProject,
) -> None:
    template = project.root / "infra" / "template.yaml"
    template.parent.mkdir()
    (project.root / "template.yaml").rename(template)
    project.edit("infra/template.yaml", lambda text: text.replace("CodeUri: .", "CodeUri: .."))
    project.configure('template = "infra/template.yaml"\n')
    lampwork = project.up()
    lampwork.origin()

    project.edit("infra/template.yaml", lambda text: text + "  Broken: [\n")
    lampwork.until("Going on with what was read before")
    project.edit("infra/template.yaml", lambda text: text.replace("  Broken: [\n", ""))
    lampwork.until("Reloaded")

    assert sum("Going on with what was read" in line for line in lampwork.output) == 1


def test_a_variable_set_closer_to_the_user_takes_precedence(
    project: SampleProject,
) -> None:
    lampwork = project.up()
    origin = lampwork.origin()
    seen = [colour(origin)]

    project.configure('[tool.lampwork.environment]\nCOLOUR = "config at ${redis_url}"\n')
    lampwork.until("Reloaded")
    seen.append(colour(origin))
    (project.root / ".env").write_text("COLOUR=env file\n")
    lampwork.until("Reloaded")
    seen.append(colour(origin))
    lampwork.stop()
    seen.append(colour(project.up("--env", "COLOUR=command line").origin()))

    assert seen[0] == "template"
    assert seen[1].startswith("config at redis://127.0.0.1:")
    assert seen[2:] == ["env file", "command line"]


def test_a_change_that_waits_for_the_next_start_is_named(project: SampleProject) -> None:
    lampwork = project.up()
    origin = lampwork.origin()

    project.configure("region = 'eu-west-1'\n" + CRASHING)

    lampwork.until("processes: changed, but read only at the start. Restart to apply.")
    assert greeting(origin) == "hello"


def test_a_mistake_in_the_configuration_is_reported_in_one_line(project: SampleProject) -> None:
    project.configure("prot = 80\n")

    failed = project.run("up")

    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: tool.lampwork has no key 'prot'.")
    assert failed.stderr.count("\n") == 1


def test_resources_that_are_not_emulated_are_named_once_and_refused_when_strict(
    project: SampleProject,
) -> None:
    project.edit("template.yaml", lambda text: text + "  Nightly: {Type: AWS::Glue::Job}\n")
    lampwork = project.up()
    lampwork.origin()
    lampwork.stop()

    strict = project.run("up", "--strict")

    named = [line for line in lampwork.output if "Nightly (AWS::Glue::Job)" in line]
    assert len(named) == 1
    assert "template.yaml, line 18" in named[0]
    assert strict.returncode == 1
    assert "Nightly (AWS::Glue::Job)" in strict.stderr


def test_a_makefile_without_which_all_runs_is_named_by_routes_and_does_not_alarm(
    project: SampleProject,
) -> None:
    made = "Type: AWS::Serverless::Function, Metadata: {BuildMethod: makefile}"
    project.edit(
        "template.yaml",
        lambda text: (
            f"{text}  Made: {{{made}, Properties: {{Handler: hello.handler}}}}\n"
            f"  Without: {{{made}, Properties: {{Handler: built.handler}}}}\n"
            "  Libs:\n"
            "    Type: AWS::Serverless::LayerVersion\n"
            "    Metadata: {BuildMethod: makefile}\n"
            "    Properties: {ContentUri: .}\n"
        ).replace("Timeout: 5", "Timeout: 5, Layers: [!Ref Libs]"),
    )
    lampwork = project.up()
    lampwork.origin()
    lampwork.stop()

    routes = project.run("routes").stderr
    told = [line for line in lampwork.output if "Not emulated" in line]
    assert len(told) == 1
    assert "Without (BuildMethod makefile)" in told[0]
    for each in ("Made (BuildMethod makefile)", "Without (BuildMethod makefile)", "Libs"):
        assert each in routes


def test_resources_that_are_not_emulated_are_not_named_again_after_a_change(
    project: SampleProject,
) -> None:
    project.edit("template.yaml", lambda text: text + "  Nightly: {Type: AWS::Glue::Job}\n")
    lampwork = project.up()
    lampwork.origin()

    project.edit(
        "template.yaml",
        lambda text: f"# moved\n{text}  Render: {{Type: AWS::Batch::JobDefinition}}\n",
    )
    lampwork.until("Reloaded")
    project.edit("template.yaml", lambda text: f"# again\n{text}")
    lampwork.until("Reloaded")

    named = [line.split("Not emulated: ")[1] for line in lampwork.output if "Not emul" in line]
    assert named == [
        "template.yaml, line 18: Nightly (AWS::Glue::Job)\n",
        "template.yaml, line 20: Render (AWS::Batch::JobDefinition)\n",
    ]


def test_objects_survive_a_restart_of_lampwork(project: SampleProject) -> None:
    url_file = project.root / "aws_url"
    project.edit("pyproject.toml", lambda text: text.replace('["redis"]', '["aws"]'))
    tell = f"""
[tool.lampwork.processes.tell]
run = ["sh", "-c", "echo $AWS_ENDPOINT_URL > {url_file}; echo told; sleep 600"]
"""
    project.edit("pyproject.toml", lambda text: text + tell)
    lampwork = project.up()
    lampwork.until("told")
    s3_client(url_file).put_object(Bucket="pictures", Key="k", Body=b"a picture")
    lampwork.stop(signal.SIGKILL)

    again = project.up()
    again.until("told")

    kept = s3_client(url_file).get_object(Bucket="pictures", Key="k")
    assert kept["Body"].read() == b"a picture"


def test_no_request_waits_while_the_embedded_aws_loads(project: SampleProject) -> None:
    project.edit("pyproject.toml", lambda text: text.replace('["redis"]', '["aws"]'))
    project.edit("template.yaml", lambda text: text.replace("Timeout: 5", "Timeout: 1"))
    project.edit(
        "hello.py",
        lambda text: (
            "import boto3\n"
            + text.replace(
                'return {"greeting"',
                'boto3.client("s3").put_object(Bucket="pictures", Key="k", Body=b"x")\n'
                '    return {"greeting"',
            )
        ),
    )

    answer = httpx.get(f"{project.up().origin()}/hello", timeout=40)

    assert (answer.status_code, answer.json().get("greeting")) == (200, "hello")


def s3_client(url_file: Path) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=url_file.read_text().strip(),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_the_start_says_how_long_it_took_and_is_quick(project: SampleProject) -> None:
    project.up().origin()
    project.close()
    began = time.monotonic()

    lampwork = project.up()
    lampwork.origin()

    assert time.monotonic() - began < 10
    assert any(line.rstrip().endswith(" s)") for line in lampwork.output)


def test_a_process_has_the_variables_of_the_function_it_stands_in_for(
    project: SampleProject,
) -> None:
    project.configure("""
[tool.lampwork.processes.worker]
run = "sh -c 'echo the colour is $COLOUR; sleep 600'"
stands_in_for = "Hello"
""")

    assert project.up().until("the colour is template")


def test_a_process_is_not_started_with_the_variable_it_excludes(
    project: SampleProject,
) -> None:
    project.configure("""
[tool.lampwork.environment]
QUEUE_URL = "sqs://"

[tool.lampwork.processes.worker]
run = "sh -c 'echo not for me; sleep 600'"
unless = "QUEUE_URL=sqs://"

[tool.lampwork.processes.helper]
run = "sh -c 'sleep 1; echo for me; sleep 600'"
unless = "QUEUE_URL=redis://"
""")
    lampwork = project.up()

    lampwork.until("for me")
    assert not any("not for me" in line for line in lampwork.output)


def test_a_process_that_stands_in_for_no_function_is_an_error(project: SampleProject) -> None:
    project.configure("""
[tool.lampwork.processes.worker]
run = "sleep 600"
stands_in_for = "Nobody"
""")

    lampwork = project.up()

    assert lampwork.until("the template has no function 'Nobody'").startswith("Error: ")
    assert lampwork.process.wait(10) == 1


def test_an_interrupt_stops_it_even_if_a_script_started_it_in_the_background(
    project: SampleProject,
) -> None:
    lampwork = project.up(before="trap '' INT")
    lampwork.origin()

    assert lampwork.stop(signal.SIGINT) == 0


def test_requests_are_shown_without_their_queries(project: SampleProject) -> None:
    lampwork = project.up()
    origin = lampwork.origin()

    httpx.get(f"{origin}/hello?token=secret")

    assert "GET /hello  200" in lampwork.until("GET /hello")
    assert not any("secret" in line or "REPORT" in line for line in lampwork.output)


def test_lambdas_own_lines_are_shown_on_demand(project: SampleProject) -> None:
    lampwork = project.up("--verbose")

    httpx.get(f"{lampwork.origin()}/hello")

    assert lampwork.until("REPORT RequestId: ")


def test_a_log_of_json_is_read_like_one_of_text(project: SampleProject) -> None:
    project.edit(
        "template.yaml",
        lambda text: text.replace("CodeUri: .}", "CodeUri: ., LoggingConfig: {LogFormat: JSON}}"),
    )
    project.edit(
        "hello.py",
        lambda text: text.replace(
            "    return {",
            '    logging.info("greets", extra={"name_": event.get("name")})\n    return {',
        ).replace("import json, os", "import json, logging, os"),
    )
    (project.root / "event.json").write_text('{"name": "Ada"}')
    lampwork = project.up()
    lampwork.origin()

    greeted = project.run("invoke", "Hello", "-e", "event.json")
    failed = project.run("invoke", "Fail")
    kept = project.run("logs", "-n", "Fail")
    lampwork.until('raise ValueError("on purpose")')
    project.edit("hello.py", lambda text: text.replace("def fail", "def fails"))
    lampwork.until("defines no fail")
    lampwork.until("Reloaded")
    project.run("invoke", "Fail")
    lampwork.stop()

    output = "".join(lampwork.output)
    assert re.search(r"Hello +\[INFO\]\t\S+Z\t\S+\tgreets name_=Ada\n", output)
    assert output.count("[ERROR] ValueError: on purpose") == 1
    assert output.count("Traceback") == 1
    assert output.count("defines no fail") == 1
    assert "LAMBDA_WARNING" not in output
    assert '{"' not in output
    assert 'raise ValueError("on purpose")' in kept.stdout
    assert 'raise ValueError("on purpose")' in failed.stderr
    assert '"type":"platform.report"' in greeted.stderr
    assert "greets name_=Ada" in greeted.stderr


FOR_A_PHONE = """
services = ["redis", "aws"]
environment = {COLOUR = "${origin} ${further_origins} ${origin_for_others}"}
"""


def test_a_phone_finds_the_product_and_its_pictures_under_one_address(
    project: SampleProject,
) -> None:
    project.configure("")
    text = (project.root / "pyproject.toml").read_text().replace('services = ["redis"]', "")
    (project.root / "pyproject.toml").write_text(text + FOR_A_PHONE)
    template = project.root / "template.yaml"
    template.write_text(
        template.read_text().replace("Environment: {Variables: {COLOUR: template}}", "Timeout: 9")
    )
    lampwork = project.up("--host", "0.0.0.0")
    port = lampwork.origin().rpartition(":")[2]
    phone = lampwork.until("On a phone in the same network: ").split("network: ")[1].strip()
    origin, *further, links = colour(phone).split()

    session = boto3.Session("test", "test", region_name="us-east-1")
    store: S3Client = session.client("s3", endpoint_url=links)
    store.put_object(Bucket="pictures", Key="a.png", Body=b"painted")
    signed = {"Bucket": "pictures", "Key": "a.png"}
    link = store.generate_presigned_url("get_object", Params=signed)
    shown = httpx.get(link, headers={"Sec-Fetch-Site": "cross-site"})
    changed = httpx.get(link.replace("a.png", "b.png"))

    assert origin == links == phone
    assert f"http://localhost:{port}" in further
    assert (shown.content, changed.status_code) == (b"painted", 403)
