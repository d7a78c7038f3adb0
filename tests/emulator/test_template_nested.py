"""Nested stacks: resources of another stack that have a template of their own."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from lampwork.errors import FunctionNotFound, TemplateError
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.function_overrides import unknown_names, with_variables
from lampwork.stack.model import QueueTrigger, StreamTrigger
from tests.emulator.stacks import read_text

ACCOUNT = "000000000000"
SHOP = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Orders: {Type: AWS::SQS::Queue}
      Checkout:
        Type: AWS::Serverless::Application
        Properties:
          Location: checkout/template.yaml
          Parameters: {OrdersArn: !GetAtt Orders.Arn, Sizes: [S, M]}
      Report:
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.handler
          Runtime: python3.11
          Environment:
            Variables:
              CHECKOUT: !GetAtt Checkout.Outputs.FunctionName
              CARTS: !Sub "the table ${Checkout.Outputs.Carts}"
"""
CHECKOUT = """
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      OrdersArn: {Type: String}
      Sizes: {Type: CommaDelimitedList}
      Colour: {Type: String, Default: green}
    Resources:
      Carts:
        Type: AWS::DynamoDB::Table
        Properties: {StreamSpecification: {StreamViewType: NEW_IMAGE}}
      Pay:
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.handler
          Runtime: python3.11
          CodeUri: code
          Environment:
            Variables:
              COLOUR: !Ref Colour
              SIZE: !Select [1, !Ref Sizes]
              STACK: !Ref AWS::StackName
          Events:
            Page: {Type: HttpApi, Properties: {Path: /pay, Method: get}}
            Order: {Type: SQS, Properties: {Queue: !Ref OrdersArn}}
            Cart:
              Type: DynamoDB
              Properties: {Stream: !GetAtt Carts.StreamArn, StartingPosition: LATEST}
      Nightly: {Type: AWS::Glue::Job}
    Conditions: {Never: !Equals [a, b]}
    Outputs:
      Hidden: {Value: !Ref Pay, Condition: Never}
      FunctionName: {Value: !Ref Pay}
      Carts: {Value: !Ref Carts}
"""
HELLO = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Hello:
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.handler
          Runtime: python3.11
          FunctionUrlConfig: {AuthType: NONE}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checkout" / "code").mkdir(parents=True)
    write(tmp_path / "checkout", CHECKOUT)
    return tmp_path


def write(folder: Path, template: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "template.yaml").write_text(dedent(template))


def test_the_resources_of_a_nested_stack_run_under_its_name(folder: Path):
    stack = read_text(folder, SHOP)

    pay = stack.functions["Checkout/Pay"]
    assert list(stack.functions) == ["Checkout/Pay", "Report"]
    assert (pay.name, pay.code_dir) == ("local-Checkout-Pay", folder / "checkout" / "code")
    assert [queue.logical_id for queue in stack.queues] == ["Orders"]
    ((route,),) = [api.routes for api in stack.http_apis]
    assert (route.key, route.function) == ("GET /pay", "Checkout/Pay")
    (stream,) = stack.triggers_of(StreamTrigger)
    assert (stream.stream, stream.function) == ("local-Checkout-Carts", "Checkout/Pay")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", stream.queue)


def test_values_go_in_as_parameters_and_come_out_as_outputs(folder: Path):
    stack = read_text(folder, SHOP)

    pay, report = stack.functions["Checkout/Pay"], stack.functions["Report"]
    assert pay.environment == {"COLOUR": "green", "SIZE": "M", "STACK": "local-Checkout"}
    assert report.environment == {
        "CHECKOUT": "local-Checkout-Pay",
        "CARTS": "the table local-Checkout-Carts",
    }
    (trigger,) = stack.triggers_of(QueueTrigger)
    assert (trigger.queue_arn, trigger.function) == (
        f"arn:aws:sqs:eu-west-1:{ACCOUNT}:local-Orders",
        "Checkout/Pay",
    )


def test_an_error_in_a_nested_template_is_reported_with_that_file(folder: Path):
    stack = read_text(folder, SHOP)
    write(folder / "checkout", CHECKOUT.replace("!Ref Colour", "!Ref Color"))

    with pytest.raises(TemplateError) as refused:
        read_text(folder, SHOP)

    inner = folder / "checkout" / "template.yaml"
    (job,) = stack.ignored
    assert (job.logical_id, job.template) == ("Checkout/Nightly", inner)
    assert inner.read_text().splitlines()[job.line - 1].startswith("  Nightly:")
    assert str(refused.value).startswith(f"{inner}:")
    assert "Colour may be meant" in str(refused.value)


def test_a_change_of_its_template_is_a_change_of_the_project(folder: Path):
    assert read_text(folder, SHOP).files == (folder / "checkout" / "template.yaml",)


def test_one_template_may_be_nested_twice_and_in_one_that_is_nested(tmp_path: Path):
    write(tmp_path / "hello", HELLO)
    write(
        tmp_path / "pair",
        """
        Resources:
          One: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: ../hello/template.yaml}}
          Two: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: ../hello/template.yaml}}
        """,
    )

    stack = read_text(
        tmp_path,
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Pair: {Type: AWS::Serverless::Application, Properties: {Location: ./pair/template.yaml}}
        """,
    )

    assert {each.logical_id: each.name for each in stack.functions.values()} == {
        "Pair/One/Hello": "local-Pair-One-Hello",
        "Pair/Two/Hello": "local-Pair-Two-Hello",
    }
    assert len({url.url_id for url in stack.function_urls}) == 2
    assert FunctionNames(stack.functions).get("Pair/Two/Hello") is stack.functions["Pair/Two/Hello"]
    with pytest.raises(FunctionNotFound):
        FunctionNames(stack.functions).get("Hello")


def test_a_function_is_found_by_the_last_part_of_its_id(folder: Path):
    stack = read_text(folder, SHOP)

    assert FunctionNames(stack.functions).get("Pay") is stack.functions["Checkout/Pay"]


def test_a_function_is_given_variables_by_the_last_part_of_its_id(folder: Path):
    stack = read_text(folder, SHOP)
    variables = {"Pay": {"COLOUR": "blue"}}

    changed = with_variables(stack, variables)

    assert changed.functions["Checkout/Pay"].environment["COLOUR"] == "blue"
    assert unknown_names(stack, variables) == []


def test_a_nested_stack_whose_condition_is_false_is_not_read(tmp_path: Path):
    stack = read_text(
        tmp_path,
        """
        Conditions: {Never: !Equals [a, b]}
        Resources:
          Orders: {Type: AWS::SQS::Queue}
          Shop:
            Type: AWS::CloudFormation::Stack
            Condition: Never
            Properties: {TemplateURL: nowhere.yaml}
        """,
    )

    assert [queue.name for queue in stack.queues] == ["local-Orders"]


@pytest.mark.parametrize(
    "properties", ["TemplateURL: https://s3.amazonaws.com/bucket/shop.yaml", "TemplateBody: x"]
)
def test_a_nested_stack_whose_template_is_elsewhere_is_named(tmp_path: Path, properties: str):
    stack = read_text(
        tmp_path,
        f"""
        Resources:
          Shop: {{Type: AWS::CloudFormation::Stack, Properties: {{{properties}}}}}
          Orders: {{Type: AWS::SQS::Queue, Properties: {{QueueName: !GetAtt Shop.Outputs.Name}}}}
        """,
    )

    assert [each.logical_id for each in stack.ignored] == ["Shop"]
    assert [queue.name for queue in stack.queues] == ["Shop.Outputs.Name"]


@pytest.mark.parametrize(
    ("written", "instead", "problem"),
    [
        ("checkout/template.yaml", "till.yaml", "till.yaml, which does not exist; correct its"),
        ("checkout/template.yaml", "template.yaml", "Checkout nests the template"),
        ("OrdersArn: !GetAtt Orders.Arn, ", "", "gives its template no value for OrdersArn"),
        (
            "Sizes: [",
            "Size: a, Sizes: [",
            "gives its template Size, which is not a parameter there",
        ),
        ("{OrdersArn: !GetAtt Orders.Arn, Sizes: [S, M]}", "[S, M]", "must be a mapping, not"),
        ("[S, M]", "!Join ['']", "wrong arguments"),
        ("Outputs.Carts", "Outputs.Hidden", "the output Hidden is left out, since Never is false"),
        ("Outputs.Carts", "Outputs.Cart", "the template has no output 'Cart'"),
        (
            "!GetAtt Orders.Arn",
            "!GetAtt Checkout.Outputs.Carts",
            "circular dependency between the resources Checkout:",
        ),
    ],
)
def test_a_nested_stack_that_aws_would_refuse_is_reported(
    folder: Path, written: str, instead: str, problem: str
):
    with pytest.raises(TemplateError) as refused:
        read_text(folder, SHOP.replace(written, instead))

    assert problem in str(refused.value)
    assert str(refused.value).startswith(f"{folder}/")
