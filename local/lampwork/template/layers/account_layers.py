"""Layers that others publish, known by their names, and what stands in for them here.

The account in a layer's ARN differs between regions, so it decides nothing.
"""

import re
from dataclasses import dataclass
from importlib import metadata
from typing import Final

ARN: Final = re.compile(r"arn:aws[\w-]*:lambda:[^:]*:[^:]*:layer:(?P<name>[^:]+)(?::\d+)?")


@dataclass(frozen=True, slots=True)
class Packages:
    """Its packages are on PyPI: a requirement for each."""

    requirements: tuple[str, ...]

    @property
    def are_present(self) -> bool:
        """Whether the environment that Lampwork runs in has them already."""
        return all(map(_is_present, self.requirements))


@dataclass(frozen=True, slots=True)
class WebAdapter:
    """AWS's Lambda Web Adapter, which the emulator stands in for."""


@dataclass(frozen=True, slots=True)
class ParametersAndSecrets:
    """AWS's server of parameters and secrets at localhost, which the emulator stands in for."""


@dataclass(frozen=True, slots=True)
class Unneeded:
    """Functions run without it as they do with it; `reason` says what it would do."""

    reason: str


AccountLayer = Packages | WebAdapter | ParametersAndSecrets | Unneeded

_POWERTOOLS: Final = "aws-lambda-powertools[all]"
_KNOWN: Final[tuple[tuple[str, AccountLayer], ...]] = (
    # https://docs.aws.amazon.com/powertools/python/latest/getting-started/install/
    ("AWSLambdaPowertoolsPythonV3-.*", Packages((f"{_POWERTOOLS}>=3,<4",))),
    ("AWSLambdaPowertoolsPythonV2(-Arm64)?", Packages((f"{_POWERTOOLS}>=2,<3",))),
    ("AWSLambdaPowertoolsPython(-extras)?(-Arm64)?", Packages((f"{_POWERTOOLS}>=1,<2",))),
    # https://aws-sdk-pandas.readthedocs.io/en/stable/layers.html
    (r"AWS(SDKPandas|DataWrangler)-Python\d+(-Arm64)?", Packages(("awswrangler",))),
    # https://awslabs.github.io/aws-lambda-web-adapter/getting-started/zip-packages.html
    ("LambdaAdapterLayer(X86|Arm64)", WebAdapter()),
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
    ("AWS-Parameters-and-Secrets-Lambda-Extension(-Arm64)?", ParametersAndSecrets()),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Lambda-Insights-extension-versions.html
    ("LambdaInsightsExtension(-Arm64)?", Unneeded("it sends CloudWatch what a function uses")),
    # https://aws-otel.github.io/docs/getting-started/lambda/lambda-python
    ("aws-otel-.*", Unneeded("it sends traces, which nothing collects here")),
    ("AWSOpenTelemetryDistro.*", Unneeded("it sends traces, which nothing collects here")),
    # https://docs.aws.amazon.com/codeguru/latest/profiler-ug/python-lambda-layers.html
    ("AWSCodeGuruProfiler.*", Unneeded("it sends profiles, which nothing collects here")),
    # https://docs.datadoghq.com/serverless/libraries_integrations/extension/
    ("Datadog-Extension(-ARM)?(-FIPS)?", Unneeded("it sends Datadog logs and metrics")),
)
# The parameters of AWS in which the ARNs of such layers are.
_PARAMETERS: Final[tuple[tuple[str, AccountLayer], ...]] = (
    ("/aws/service/powertools/python/", Packages((_POWERTOOLS,))),
    ("/aws/service/aws-sdk-pandas/", Packages(("awswrangler",))),
)
_REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+)(\[\w,]+\])?(>=(?P<major>\d+),<\d+)?")
# https://github.com/keithrozario/Klayers: the package's name on PyPI is in the layer's.
_KLAYERS: Final = re.compile(r"Klayers-p(?:ython)?\d+-(?P<package>[\w.-]+)")


def account_layer(arn: str) -> AccountLayer | None:
    """What stands in for the layer with this ARN, or with a dynamic reference to one; None if it is
    not known."""
    for path, layer in _PARAMETERS:
        if path in arn:
            return layer
    named = ARN.fullmatch(arn)
    if named is None:
        return None
    if klayer := _KLAYERS.fullmatch(named["name"]):
        return Packages((klayer["package"],))
    for pattern, layer in _KNOWN:
        if re.fullmatch(pattern, named["name"]):
            return layer
    return None


def _is_present(requirement: str) -> bool:
    asked = _REQUIREMENT.fullmatch(requirement)
    if asked is None:
        return False
    try:
        version = metadata.version(asked["name"])
    except metadata.PackageNotFoundError:
        return False
    return asked["major"] in (None, version.partition(".")[0])
