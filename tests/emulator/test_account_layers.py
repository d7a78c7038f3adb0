"""Layers that others publish: packages of PyPI, no effect, or named."""

from pathlib import Path

import pytest

from lampwork.stack.model import Function, Ignored
from lampwork.template.layers.account_layers import Packages, Unneeded, WebAdapter, account_layer
from tests.emulator.stacks import read_text


def read_layer(folder: Path, arn: str, wrapper: str = "") -> tuple[Function, tuple[Ignored, ...]]:
    (folder / "app.py").write_text("def handler(event, context): pass\n")
    stack = read_text(
        folder,
        f"""\
        Transform: AWS::Serverless-2016-10-31
        Resources:
          App:
            Type: AWS::Serverless::Function
            Properties:
              Runtime: python3.12
              Handler: app.handler
              CodeUri: .
              Layers: ["{arn}"]
              Environment: {{Variables: {{AWS_LAMBDA_EXEC_WRAPPER: "{wrapper}"}}}}
        """,
    )
    return stack.functions["App"], stack.ignored


@pytest.mark.parametrize(
    ("name", "requirement"),
    [
        # https://docs.aws.amazon.com/powertools/python/latest/getting-started/install/
        ("AWSLambdaPowertoolsPythonV3-python312-x86_64:7", "aws-lambda-powertools[all]>=3,<4"),
        ("AWSLambdaPowertoolsPythonV2-Arm64:59", "aws-lambda-powertools[all]>=2,<3"),
        ("AWSLambdaPowertoolsPython:3", "aws-lambda-powertools[all]>=1,<2"),
        # https://aws-sdk-pandas.readthedocs.io/en/stable/layers.html
        ("AWSSDKPandas-Python312-Arm64:26", "awswrangler"),
        ("AWSDataWrangler-Python38:9", "awswrangler"),
        # https://github.com/keithrozario/Klayers
        ("Klayers-p312-absent-package:3", "absent-package"),
    ],
)
def test_a_layer_of_packages_is_installed_from_pypi(tmp_path, name, requirement):
    function, ignored = read_layer(tmp_path, f"arn:aws:lambda:eu-west-1:017000801446:layer:{name}")

    (layer,) = function.layers
    assert (layer / "requirements.txt").read_text() == requirement
    assert function.source_layers == {layer}
    assert ignored == ()


def test_a_layer_by_the_parameter_of_aws_that_names_it_is_installed_too():
    """https://docs.aws.amazon.com/powertools/python/latest/getting-started/install/"""
    path = "/aws/service/powertools/python/x86_64/python3.12/latest"

    known = account_layer(f"{{{{resolve:ssm:{path}}}}}")
    assert known == Packages(("aws-lambda-powertools[all]",))


@pytest.mark.parametrize(
    ("requirement", "present"),
    [("pytest", True), ("pytest>=1,<2", False), ("absent-package", False)],
)
def test_packages_that_lampworks_environment_has_are_not_installed_again(requirement, present):
    assert Packages((requirement,)).are_present is present


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:lambda:eu-west-1:580247275435:layer:LambdaInsightsExtension:49",
        "arn:aws:lambda:eu-west-1:580247275435:layer:LambdaInsightsExtension-Arm64:5",
        "arn:aws:lambda:eu-west-1:901920570463:layer:aws-otel-python-amd64-ver-1-25-0:1",
        "arn:aws:lambda:eu-west-1:615299751070:layer:AWSOpenTelemetryDistroPython:16",
    ],
)
def test_a_layer_that_only_watches_is_named_and_its_wrapper_is_not_run(tmp_path, arn):
    function, (named,) = read_layer(tmp_path, arn, wrapper="/opt/otel-instrument")

    assert isinstance(account_layer(arn), Unneeded)
    assert named.type == f"layer {arn}"
    assert named.reason.endswith("the function runs without it")
    assert not function.runs_wrapper


def test_an_unknown_layer_is_named(tmp_path):
    arn = "arn:aws:lambda:eu-west-1:123456789012:layer:Other:7"
    function, (named,) = read_layer(tmp_path, arn, wrapper="/var/task/start")

    assert "install its packages where Lampwork is" in named.reason
    assert function.layers == ()
    assert function.runs_wrapper


def test_the_web_adapter_is_known():
    """https://awslabs.github.io/aws-lambda-web-adapter/getting-started/zip-packages.html"""
    arn = "arn:aws:lambda:eu-west-1:753240598075:layer:LambdaAdapterLayerX86:25"

    assert account_layer(arn) == WebAdapter()
