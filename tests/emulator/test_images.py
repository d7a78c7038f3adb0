"""Functions that are container images: read from their Dockerfile.

https://docs.docker.com/reference/dockerfile/
https://docs.aws.amazon.com/lambda/latest/dg/python-image.html
"""

from pathlib import Path
from textwrap import dedent

import pytest

from lampwork.errors import TemplateError
from lampwork.runtime.world.editors_paths import with_editors_paths
from lampwork.stack.model import Function, Stack
from lampwork.template.images.dockerfile import Image, read_dockerfile
from tests.emulator.runtime_fixtures import running, write
from tests.emulator.stacks import read_text

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  App:
    Type: AWS::Serverless::Function
    Properties: {PackageType: Image, Environment: {Variables: {OWN: template}}%s}
    Metadata: {DockerContext: ./app, Dockerfile: Dockerfile%s}
"""
AWS = "FROM public.ecr.aws/lambda/python:3.12\n"


def read(text: str, target: str | None = None, **arguments: str) -> Image:
    image = read_dockerfile(dedent(text), arguments, target)
    assert image is not None
    return image


def read_app(folder: Path, dockerfile: str, more: str = "", metadata: str = "") -> Stack:
    (folder / "app").mkdir(exist_ok=True)
    (folder / "app" / "Dockerfile").write_text(dedent(dockerfile))
    return read_text(folder, TEMPLATE % (more, metadata))


def only_function(folder: Path, dockerfile: str, more: str = "", metadata: str = "") -> Function:
    return read_app(folder, dockerfile, more, metadata).functions["App"]


# --- Reading a Dockerfile -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "version"),
    [
        ("public.ecr.aws/lambda/python:3.12", "3.12"),
        ("public.ecr.aws/lambda/python:3.13-arm64", "3.13"),
        ("public.ecr.aws/lambda/python:3.12.2024.11.22.15", "3.12"),
        ("--platform=linux/amd64 amazon/aws-lambda-python:3.11 AS base", "3.11"),
        ("public.ecr.aws/docker/library/python:3.12-slim", "3.12"),
        ("public.ecr.aws/lambda/nodejs:20", None),
        ("scratch", None),
    ],
)
def test_the_base_tells_the_version_of_python(base: str, version: str | None):
    assert read(f"FROM {base}").version == version


def test_variables_arguments_and_continued_lines_are_filled_in():
    image = read(
        """\
        ARG VERSION=3.11
        FROM public.ecr.aws/lambda/python:${VERSION}
        # a comment
        ARG LEVEL
        ENV A="one two" B=$LEVEL \\
            # a comment among continued lines
            C=${ABSENT:-other}
        ENV OLD of one variable
        COPY a.py ${LAMBDA_TASK_ROOT}/
        """,
        VERSION="3.13",
        LEVEL="info",
    )

    assert image.version == "3.13"
    assert dict(image.variables) == {
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        **{"A": "one two", "B": "info", "C": "other", "OLD": "of one variable"},
    }
    assert [(copy.sources, copy.target) for copy in image.copies] == [(("a.py",), "/var/task")]


@pytest.mark.parametrize(
    ("command", "files", "packages"),
    [
        ("pip install -r requirements.txt", ("/var/task/requirements.txt",), ()),
        (
            'python3.12 -m pip install --no-cache-dir -r requirements.txt -t "${LAMBDA_TASK_ROOT}"',
            ("/var/task/requirements.txt",),
            (),
        ),
        ("pip3 install --requirement=/tmp/r.txt --target ./", ("/tmp/r.txt",), ()),
        ("pip install --upgrade pip && pip install 'boto3>=1.30' requests", (), 2),
        ("--mount=type=cache,target=/root/.cache pip install -U requests", (), 1),
        ("uv pip install --system -r requirements.txt", ("/var/task/requirements.txt",), ()),
    ],
)
def test_what_pip_installs_is_known(command: str, files: tuple[str, ...], packages: int):
    image = read(f"{AWS}RUN {command}\n")

    assert image.requirement_files == files
    assert len(image.requirements) == (packages or 0)
    assert image.unknown == ()


def test_commands_of_other_kinds_are_kept_to_be_named():
    image = read(AWS + "RUN dnf install -y gcc && dnf clean all\nADD https://x.example/a /a\n")

    assert image.unknown == ("RUN dnf install -y gcc", "ADD https://x.example/a /a")


def test_a_former_stage_gives_its_packages_and_a_target_is_a_stage():
    text = """\
    FROM public.ecr.aws/lambda/python:3.12 AS build
    COPY requirements.txt .
    RUN pip install -r requirements.txt -t /packages
    FROM public.ecr.aws/lambda/python:3.12
    COPY --from=build /packages ${LAMBDA_TASK_ROOT}
    COPY app.py .
    CMD [ "app.handler" ]
    """

    assert read(text).requirement_files == ("/var/task/requirements.txt",)
    assert read(text).command == ("app.handler",)
    assert read(text, target="build").command == ()
    assert read_dockerfile(text, {}, "absent") is None


# --- Functions ------------------------------------------------------------------------------------


async def test_an_image_of_aws_runs_its_command_with_its_files_and_variables(tmp_path: Path):
    source = """\
    import os, sys
    from lib import thing

    def handler(event, context):
        return [__file__, thing.__file__, os.environ["OWN"], os.environ["IMAGES"]]
    """
    write(tmp_path / "app" / "src", "app", source)
    write(tmp_path / "app", "shared.thing", "")
    dockerfile = f"""{AWS}
ENV OWN=image IMAGES=own
COPY src/ ./
COPY shared/thing.py ${{LAMBDA_TASK_ROOT}}/lib/
CMD ["app.handler"]
"""
    function = only_function(tmp_path, dockerfile)

    assert (function.handler, function.runtime) == ("app.handler", "python3.12")
    async with running(function, lambda_paths=True) as run:
        assert await run.result("local-App") == [
            *("/var/task/app.py", "/var/task/lib/thing.py"),
            *("template", "own"),
        ]
    assert with_editors_paths('File "/var/task/app.py", line 1', function) == (
        f'File "{tmp_path}/app/src/app.py", line 1'
    )


def test_an_image_that_is_its_context_runs_from_it(tmp_path: Path):
    write(tmp_path / "app", "app", "")

    function = only_function(tmp_path, AWS + 'COPY . ${LAMBDA_TASK_ROOT}\nCMD ["app.handler"]\n')
    assert function.code_dir == tmp_path / "app"


def test_requirements_are_those_that_the_image_installs(tmp_path: Path):
    write(tmp_path / "app", "app", "")
    for name in ("requirements.txt", "other.txt"):
        (tmp_path / "app" / name).write_text("")
    dockerfile = f"""{AWS}
COPY other.txt /tmp/
COPY . ${{LAMBDA_TASK_ROOT}}
RUN pip install -r /tmp/other.txt requests==2.32.0
CMD ["app.handler"]
"""
    function = only_function(tmp_path, dockerfile)

    assert (function.code_dir / "requirements.txt").read_text().splitlines() == [
        f"-r {tmp_path}/app/other.txt",
        "requests==2.32.0",
    ]


async def test_what_an_image_has_in_opt_is_there_and_files_elsewhere_are_named(tmp_path: Path):
    source = """
    def handler(event, context):
        return open("/opt/ml/model").read()
    """
    write(tmp_path / "app", "app", source)
    (tmp_path / "app" / "model").write_text("a model")
    dockerfile = f"""{AWS}
COPY app.py ./
COPY model /opt/ml/model
COPY model /usr/share/models/
CMD ["app.handler"]
"""
    stack = read_app(tmp_path, dockerfile)

    async with running(stack.functions["App"], lambda_paths=True) as run:
        assert await run.result("local-App") == "a model"
    assert [each.type for each in stack.ignored] == [
        "COPY model /usr/share/models of its Dockerfile"
    ]


def test_the_templates_command_wins(tmp_path: Path):
    dockerfile = AWS + 'COPY . .\nCMD ["app.handler"]\n'

    function = only_function(tmp_path, dockerfile, ", ImageConfig: {Command: [app.other]}")
    assert function.handler == "app.other"


def test_build_arguments_and_the_target_come_from_metadata(tmp_path: Path):
    dockerfile = """\
    FROM public.ecr.aws/lambda/python:3.12 AS one
    ARG NAME
    CMD ["app.${NAME}"]
    FROM scratch
    """
    metadata = ", DockerBuildTarget: one, DockerBuildArgs: {NAME: x}"

    assert only_function(tmp_path, dockerfile, metadata=metadata).runtime == "python3.12"


async def test_an_image_with_the_web_adapter_runs_its_program(tmp_path: Path):
    write(
        tmp_path / "app",
        "main",
        """\
        import http.server, os

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(os.getcwd().encode())

        address = ("127.0.0.1", int(os.environ["PORT"]))
        http.server.HTTPServer(address, Handler).serve_forever()
        """,
    )
    dockerfile = """\
    FROM public.ecr.aws/docker/library/python:3.12-slim
    COPY --from=public.ecr.aws/awsguru/aws-lambda-adapter:0.9.1 /lambda-adapter /opt/extensions/a
    WORKDIR "/app"
    COPY . .
    CMD exec python main.py --port=$PORT
    """
    function = only_function(tmp_path, dockerfile)
    event = {"rawPath": "/", "requestContext": {"http": {"method": "GET"}}}

    assert function.web_adapter
    async with running(function, lambda_paths=True) as run:
        assert (await run.result("local-App", event))["body"] == "/var/task"


@pytest.mark.parametrize(
    ("dockerfile", "reason"),
    [
        ("FROM public.ecr.aws/lambda/nodejs:20\n", "the base public.ecr.aws/lambda/nodejs:20"),
        ("FROM python:3.12\nCMD python app.py\n", "its image runs /bin/sh -c python app.py"),
        (AWS + "COPY . .\n", "its image runs nothing, not a handler"),
    ],
)
def test_an_image_that_is_no_function_of_python_is_named(tmp_path, dockerfile, reason):
    (ignored,) = read_app(tmp_path, dockerfile).ignored

    assert reason in ignored.reason


def test_instructions_without_a_counterpart_are_named(tmp_path: Path):
    stack = read_app(tmp_path, AWS + 'RUN yum install -y gcc\nCOPY . .\nCMD ["app.handler"]\n')

    assert [each.type for each in stack.ignored] == ["RUN yum install -y gcc of its Dockerfile"]


def test_a_dockerfile_that_is_missing_is_an_error(tmp_path: Path):
    with pytest.raises(TemplateError, match=r"the Dockerfile of App should be .*app/Dockerfile"):
        read_text(tmp_path, TEMPLATE % ("", ""))


def test_an_image_without_a_dockerfile_is_named(tmp_path: Path):
    (ignored,) = read_text(
        tmp_path,
        """\
        Transform: AWS::Serverless-2016-10-31
        Resources:
          App:
            Type: AWS::Serverless::Function
            Properties: {PackageType: Image, ImageUri: "1.dkr.ecr.eu-west-1.amazonaws.com/app:1"}
        """,
    ).ignored

    assert "without a Dockerfile" in ignored.reason
