"""`LoggingConfig` in templates."""

import pytest

from lampwork.errors import TemplateError
from lampwork.stack.model import LogConfig
from tests.emulator.stacks import read_text

SAM = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: python3.11
    LoggingConfig: {LogFormat: JSON, SystemLogLevel: WARN}
Resources:
  Group: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: shared}}
  Plain:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler}
  Own:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      LoggingConfig: {ApplicationLogLevel: TRACE, SystemLogLevel: DEBUG, LogGroup: !Ref Group}
"""
RAW = """
Resources:
  Work:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.11
      Code: .
      LoggingConfig: {}
"""


def test_a_function_has_its_own_settings_over_the_common_ones(tmp_path):
    functions = read_text(tmp_path, SAM).functions

    assert functions["Plain"].log_config == LogConfig(json=True, system_level="WARN")
    assert functions["Plain"].log_group == "/aws/lambda/local-Plain"
    assert functions["Own"].log_config == LogConfig(
        json=True, application_level="TRACE", system_level="DEBUG", group="shared"
    )
    assert functions["Own"].log_group == "shared"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("{}", LogConfig()),
        ("{LogFormat: Text, LogGroup: mine}", LogConfig(group="mine")),
        ("{LogFormat: JSON, ApplicationLogLevel: FATAL}", LogConfig(True, "FATAL")),
        ("{LogFormat: Text, SystemLogLevel: !Ref AWS::NoValue}", LogConfig()),
    ],
)
def test_a_function_without_sam_has_the_same_settings(tmp_path, given, meant):
    template = RAW.replace("LoggingConfig: {}", f"LoggingConfig: {given}")

    assert read_text(tmp_path, template).functions["Work"].log_config == meant


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("{LogFormat: Xml}", "LogFormat must be one of Text, JSON, not 'Xml'"),
        ("{LogFormat: json}", "LogFormat must be one of Text, JSON, not 'json'"),
        ("{LogFormat: JSON, SystemLogLevel: ERROR}", "must be one of DEBUG, INFO, WARN, not 'ERR"),
        ("{LogFormat: JSON, ApplicationLogLevel: WARNING}", "INFO, WARN, ERROR, FATAL, not 'WARN"),
        ("{LogFormat: Text, ApplicationLogLevel: INFO}", "ApplicationLogLevel, which Lambda takes"),
        ("{SystemLogLevel: INFO}", "SystemLogLevel, which Lambda takes only with LogFormat: JSON"),
        ("JSON", "LoggingConfig must be a mapping"),
        ("{LogFormat: JSON, LogGroup: a b}", "LogGroup must be a name of"),
    ],
)
def test_settings_that_lambda_refuses_are_reported_with_their_line(tmp_path, given, problem):
    template = RAW.replace("LoggingConfig: {}", f"LoggingConfig: {given}")

    with pytest.raises(TemplateError, match=f"template.yaml:9: Work.*{problem}"):
        read_text(tmp_path, template)
