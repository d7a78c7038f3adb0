"""Step Functions in the embedded AWS, as boto3 sees it.

Where a test names a snapshot, LocalStack's tests have recorded the fact on AWS: the file is below
tests/aws/services/stepfunctions/v2 of its repository.
"""

import json
import os
import socket
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lampwork.cloud.moto_seam.states.names import STATES
from lampwork.companions.aws import CREDENTIALS, TIME_SCALE
from lampwork.stack.model import ACCOUNT_ID
from tests.waiting import until

ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/any"
CONFIG = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})


class Server:
    """The embedded AWS in a process of its own."""

    def __init__(self, folder: Path) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "lampwork.cloud.server"),
                *(str(listener.fileno()), str(folder), "us-east-1"),
            ],
            pass_fds=(listener.fileno(),),
            env={
                **{**os.environ, **CREDENTIALS},
                "MOTO_ACCOUNT_ID": ACCOUNT_ID,
                TIME_SCALE: "0.01",
            },
        )

    def client(self, service: Any) -> Any:
        options: dict[str, Any] = {"endpoint_url": self.url, "region_name": "us-east-1"}
        options |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, config=CONFIG, **options)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._listener.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("aws"))
    yield server
    server.close()


@pytest.fixture
def states(server: Server) -> Any:
    return server.client("stepfunctions")


def definition(*states: dict[str, Any], **more: Any) -> str:
    """A definition of states that follow one another: S1, S2 and so on."""
    named = {f"S{number}": dict(state) for number, state in enumerate(states, 1)}
    for name, following in zip(named, [*list(named)[1:], None], strict=True):
        if named[name]["Type"] not in ("Succeed", "Fail", "Choice"):
            named[name] |= {"Next": following} if following else {"End": True}
    return json.dumps({"StartAt": "S1", "States": named, **more})


def create(states: Any, text: str, **options: Any) -> str:
    created = states.create_state_machine(
        name=uuid.uuid4().hex, definition=text, roleArn=ROLE, **options
    )
    return str(created["stateMachineArn"])


def run(states: Any, text: str, given: Any = None, **options: Any) -> dict[str, Any]:
    """Create a state machine, run it to its end, and describe the execution."""
    machine = create(states, text)
    begun = states.start_execution(
        stateMachineArn=machine, input=json.dumps({} if given is None else given), **options
    )
    return ended(states, begun["executionArn"])


def ended(states: Any, execution: str) -> dict[str, Any]:
    until(lambda: states.describe_execution(executionArn=execution)["status"] != "RUNNING")
    described: dict[str, Any] = states.describe_execution(executionArn=execution)
    return described


def refusal(call: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**options)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_moto_has_every_name_that_the_interpreter_needs():
    STATES.check_version()
    STATES.check()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # test_sfn_api.snapshot.json, test_create_delete_invalid_sm
        (
            '{"StartAt": "A"}',
            "SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /",
        ),
        # https://github.com/localstack/localstack/issues/11978 shows AWS's answer
        (
            '{"StartAt": "pass1", "States": {"pass1": {"Type": "Pass", "Next": "pass3"},'
            ' "pass2": {"Type": "Pass", "End": true}}}',
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: pass3 at /States/pass1/Next,"
            ' MISSING_TRANSITION_TARGET: State "pass2" is not reachable. at /States/pass2',
        ),
    ],
)
def test_a_definition_is_refused_in_the_words_of_aws(states: Any, text: str, problem: str):
    refused = refusal(states.create_state_machine, name="wrong", definition=text, roleArn=ROLE)

    message = f"Invalid State Machine Definition: '{problem}'"
    assert refused == ("InvalidDefinition", message)


def test_names_that_nothing_has_are_refused_in_the_words_of_aws(states: Any):
    """test_sfn_api.snapshot.json"""
    none = f"arn:aws:states:us-east-1:{ACCOUNT_ID}:stateMachine:none"
    run = f"arn:aws:states:us-east-1:{ACCOUNT_ID}:execution:none:none"

    assert refusal(states.describe_state_machine, stateMachineArn="not_an_arn") == (
        "InvalidArn",
        "Invalid Arn: 'Invalid ARN prefix: not_an_arn'",
    )
    assert refusal(states.start_execution, stateMachineArn=none) == (
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{none}'",
    )
    assert refusal(states.describe_execution, executionArn=run) == (
        "ExecutionDoesNotExist",
        f"Execution Does Not Exist: '{run}'",
    )
    assert refusal(states.start_sync_execution, stateMachineArn=create(states, SLOW)) == (
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    )


SLOW = definition({"Type": "Wait", "Seconds": 6000})


def test_an_execution_with_a_running_ones_name_and_input_is_that_one(states: Any):
    """test_sfn_api.snapshot.json, test_start_execution_idempotent"""
    machine = create(states, SLOW)
    first = states.start_execution(stateMachineArn=machine, name="once", input='{"a": 1}')
    again = states.start_execution(stateMachineArn=machine, name="once", input='{"a":1}')

    assert again["executionArn"] == first["executionArn"]
    assert refusal(states.start_execution, stateMachineArn=machine, name="once", input="{}") == (
        "ExecutionAlreadyExists",
        f"Execution Already Exists: '{first['executionArn']}'",
    )


def test_a_stopped_execution_is_aborted_with_what_the_client_says(states: Any):
    machine = create(states, SLOW)
    for _ in range(20):  # most of them before the first state has begun
        execution = states.start_execution(stateMachineArn=machine)["executionArn"]
        states.stop_execution(executionArn=execution, error="Enough", cause="It took too long.")

        described = states.describe_execution(executionArn=execution)
        assert (described["status"], described["error"], described["cause"]) == (
            "ABORTED",
            "Enough",
            "It took too long.",
        )
        events = states.get_execution_history(executionArn=execution)["events"]
        kinds = [event["type"] for event in events]
        assert (kinds[0], kinds[-1]) == ("ExecutionStarted", "ExecutionAborted")
        assert kinds.count("ExecutionAborted") == 1


def test_an_execution_that_takes_longer_than_its_time_limit_times_out(states: Any):
    late = run(states, definition({"Type": "Wait", "Seconds": 6000}, TimeoutSeconds=1))

    assert late["status"] == "TIMED_OUT"
    events = states.get_execution_history(executionArn=late["executionArn"])["events"]
    kinds = [event["type"] for event in events]
    assert kinds[-1] == "ExecutionTimedOut"
    assert kinds.count("ExecutionTimedOut") == 1


def test_executions_are_listed_by_status_and_in_pages(states: Any):
    machine = create(states, definition({"Type": "Pass"}))
    for _ in range(3):
        ended(states, states.start_execution(stateMachineArn=machine)["executionArn"])

    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=machine, PaginationConfig={"PageSize": 2}
    )
    assert [len(page["executions"]) for page in pages] == [2, 1]
    failed = states.list_executions(stateMachineArn=machine, statusFilter="FAILED")
    assert failed["executions"] == []


def test_a_version_runs_what_was_published_and_an_alias_leads_to_it(states: Any):
    machine = create(states, definition({"Type": "Pass", "Result": "old"}), publish=True)
    states.update_state_machine(
        stateMachineArn=machine, definition=definition({"Type": "Pass", "Result": "new"})
    )
    alias = states.create_state_machine_alias(
        name="live",
        routingConfiguration=[{"stateMachineVersionArn": f"{machine}:1", "weight": 100}],
    )["stateMachineAliasArn"]

    def output(arn: str) -> Any:
        begun = states.start_execution(stateMachineArn=arn)
        return json.loads(ended(states, begun["executionArn"])["output"])

    assert [output(machine), output(f"{machine}:1"), output(alias)] == ["new", "old", "old"]
    listed = states.list_executions(stateMachineArn=alias)["executions"]
    assert [each["stateMachineAliasArn"] for each in listed] == [alias]


@pytest.mark.parametrize(
    ("path", "output"),
    [
        ("$.orders[0].id", "a"),
        ("$.orders[*].id", ["a", "b"]),
        ("$.orders[?(@.price > 5)].id", ["b"]),
        ("$.orders[?(@.price > 50)]", []),
        ("$..price", [1, 9]),
        ("$.orders[-1].id", "b"),
    ],
)
def test_a_path_that_may_name_several_places_gives_a_list(states: Any, path: str, output: Any):
    """https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html"""
    given = {"orders": [{"id": "a", "price": 1}, {"id": "b", "price": 9}]}
    described = run(states, definition({"Type": "Pass", "Parameters": {"x.$": path}}), given)

    assert json.loads(described["output"]) == {"x": output}


def test_texts_that_are_assigned_keep_their_quotes(states: Any):
    """test_base_scenarios.snapshot.json, ESCAPE_SEQUENCES_JSONATA_COMPARISON_ASSIGN"""
    text = definition(
        {"Type": "Pass", "Assign": {"quote": '"', "nothing": None, "json": '{"k": 1}'}},
        {
            "Type": "Pass",
            "Output": {
                "same": "{% $quote = '\"' %}",
                "nothing": "{% $nothing %}",
                "read": "{% $parse($json).k %}",
            },
        },
        QueryLanguage="JSONata",
    )

    described = run(states, text)

    assert json.loads(described["output"]) == {"same": True, "nothing": None, "read": 1}
    history = states.get_execution_history(executionArn=described["executionArn"])["events"]
    exited = next(e["stateExitedEventDetails"] for e in history if "stateExitedEventDetails" in e)
    assert exited["assignedVariables"] == {
        "quote": '"\\""',
        "nothing": "null",
        "json": '"{\\"k\\": 1}"',
    }


def test_a_variable_is_known_where_the_language_is_jsonpath(states: Any):
    """test_assign_reference_variables.snapshot.json, BASE_REFERENCE_IN_INTRINSIC_FUNCTION"""
    text = definition(
        {"Type": "Pass", "Assign": {"json": '{"key":"value"}', "csv": "a,b"}},
        {
            "Type": "Pass",
            "Parameters": {
                "read.$": "States.StringToJson($json)",
                "split.$": "States.StringSplit($csv, ',')",
            },
        },
    )

    output = {"read": {"key": "value"}, "split": ["a", "b"]}
    assert json.loads(run(states, text)["output"]) == output


def test_an_expression_without_a_value_fails_and_says_in_which_field(states: Any):
    """test_assign_reference_variables.snapshot.json, BASE_UNDEFINED_OUTPUT_FIELD"""
    text = definition(
        {"Type": "Pass", "Output": {"result": "{% $doesNotExist %}"}}, QueryLanguage="JSONata"
    )
    described = run(states, text)

    assert described["error"] == "States.QueryEvaluationError"
    assert described["cause"] == (
        "An error occurred while executing the state 'S1' (entered at the event id #2)."
        " The JSONata expression '$doesNotExist' specified for the field 'Output/result'"
        " returned nothing (undefined)."
    )


def test_jsonata_has_the_functions_of_step_functions(states: Any):
    """https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html and
    test_array_jsonata.snapshot.json: a range of one is that one."""
    output = {
        "parts": "{% $partition([1,2,3], 2) %}",
        "range": "{% $range(0, 6, 2) %}",
        "one": "{% $range(1, 1, 1) %}",
        "hash": "{% $hash('x', 'SHA-256') %}",
        "same": "{% $random(3) = $random(3) %}",
        "uuid": "{% $length($uuid()) %}",
    }
    text = definition({"Type": "Pass", "Output": output}, QueryLanguage="JSONata")

    assert json.loads(run(states, text)["output"]) == {
        "parts": [[1, 2], [3]],
        "range": [0, 2, 4, 6],
        "one": 1,
        "hash": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
        "same": True,
        "uuid": 36,
    }


def test_a_worker_takes_the_task_of_an_activity_and_answers_it(states: Any):
    activity = states.create_activity(name="paint")["activityArn"]
    machine = create(states, definition({"Type": "Task", "Resource": activity}))
    execution = states.start_execution(stateMachineArn=machine, input='{"a": 1}')["executionArn"]

    task = states.get_activity_task(activityArn=activity, workerName="worker")
    assert task["input"] == '{"a": 1}'
    states.send_task_success(taskToken=task["taskToken"], output='"done"')
    assert ended(states, execution)["output"] == '"done"'


def test_the_errors_of_services_have_the_names_that_catchers_wait_for(states: Any):
    """test_aws_sdk.snapshot.json and test_task_service_dynamodb.snapshot.json; the names' rule is
    on https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html"""
    bucket = {"Bucket": "missing", "Key": "key"}
    no_bucket = run(
        states,
        definition(
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
                "Parameters": bucket,
            }
        ),
    )
    table = {"TableName": "missing", "Key": {"id": {"S": "1"}}}
    no_table = run(
        states,
        definition(
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::dynamodb:getItem",
                "Parameters": table,
            }
        ),
    )

    assert no_bucket["error"] == "S3.NoSuchBucketException"
    assert no_table["error"] == "DynamoDB.ResourceNotFoundException"


@pytest.mark.parametrize(
    ("resource", "parameters"),
    [
        ("dynamodb:getItem", {"TableName": "any", "Key": {"id": {"S.$": "$.missing"}}}),
        ("apigateway:invoke", {"ApiEndpoint.$": "$.missing", "Method": "GET"}),
        ("sqs:sendMessage", {"QueueUrl.$": "$.missing", "MessageBody": "a"}),
    ],
)
def test_a_path_that_leads_nowhere_is_no_error_of_the_service(
    states: Any, resource: str, parameters: dict[str, Any]
):
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters}

    described = run(states, definition(task))

    assert (described["status"], described["error"]) == ("FAILED", "States.Runtime")
    assert "'$.missing'" in described["cause"]


@pytest.mark.parametrize("path", ["$$.Execution.Input.quorum", "$least", "$.quorum"])
@pytest.mark.parametrize(("done", "chosen"), [(3, "enough"), (2, "enough"), (1, "wait")])
def test_a_choice_compares_with_the_context_and_with_variables(
    states: Any, path: str, done: int, chosen: str
):
    """https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html"""
    text = {
        "StartAt": "Set",
        "States": {
            "Set": {"Type": "Pass", "Assign": {"least.$": "$.quorum"}, "Next": "Enough?"},
            "Enough?": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.done", "NumericGreaterThanEqualsPath": path, "Next": "Yes"}
                ],
                "Default": "No",
            },
            "Yes": {"Type": "Pass", "Result": "enough", "End": True},
            "No": {"Type": "Pass", "Result": "wait", "End": True},
        },
    }

    described = run(states, json.dumps(text), {"quorum": 2, "done": done})

    assert (described.get("cause"), described["output"]) == (None, json.dumps(chosen))


def test_an_item_is_put_whose_values_are_written_without_their_types(server: Server, states: Any):
    """aws-samples/step-functions-workflows-collection: quorum-with-parallel-pattern does so; the
    samples of API Gateway with an express state machine send maps of such values."""
    table = server.client("dynamodb")
    table.create_table(
        TableName="plain",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"id.$": "$.id", "done": {"BOOL": "false"}, "car": {"M.$": "$.car"}}
    put = {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:putItem",
        "Parameters": {"TableName": "plain", "Item": item},
    }
    described = run(states, definition(put), {"id": "a", "car": {"make": "MINI", "year": 2015}})

    assert described["status"] == "SUCCEEDED", described["cause"]
    assert table.get_item(TableName="plain", Key={"id": {"S": "a"}})["Item"] == {
        "id": {"S": "a"},
        "done": {"BOOL": False},
        "car": {"M": {"make": {"S": "MINI"}, "year": {"N": "2015"}}},
    }


def test_a_distributed_map_reads_its_items_from_a_bucket(server: Server, states: Any):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="items")
    s3.put_object(Bucket="items", Key="items.csv", Body=b"name,price\nlamp,1\ndesk,2\n")
    text = definition(
        {
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                "Parameters": {"Bucket": "items", "Key": "items.csv"},
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **json.loads(definition({"Type": "Pass"})),
            },
        }
    )

    items = [{"name": "lamp", "price": "1"}, {"name": "desk", "price": "2"}]
    assert json.loads(run(states, text)["output"]) == items


def test_an_operation_that_is_not_emulated_says_so(states: Any):
    code, message = refusal(states.redrive_execution, executionArn="arn:aws:states:x")

    assert code == "UnknownOperationException"
    assert message == "Lampwork does not emulate RedriveExecution."


@pytest.mark.parametrize(
    ("text", "output"),
    [
        (r"States.Format('it\'s {}', $.name)", "it's lamp"),
        (r"States.Format('\{{}\}', $.name)", "{lamp}"),
        ("States.Format('<{}>\n{}', $.name, 1)", "<lamp>\n1"),
        ("States.Format('é {}', $.name)", "é lamp"),
        (r"States.StringToJson('\{\"a\": 1\}')", {"a": 1}),
    ],
)
def test_the_escapes_of_intrinsic_functions_are_read(states: Any, text: str, output: Any):
    """https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html"""
    described = run(
        states, definition({"Type": "Pass", "Parameters": {"x.$": text}}), {"name": "lamp"}
    )

    assert json.loads(described["output"]) == {"x": output}


def test_a_distributed_map_makes_batches(states: Any):
    """https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html"""
    text = definition(
        {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemSelector": {"n.$": "$$.Map.Item.Value"},
            "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"who.$": "$.who", "to": "all"}},
            "ToleratedFailurePercentage": 100,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                **json.loads(definition({"Type": "Pass"})),
            },
        }
    )
    described = run(states, text, {"items": [1, 2, 3], "who": "anna"})

    around = {"who": "anna", "to": "all"}
    assert json.loads(described["output"]) == [
        {"BatchInput": around, "Items": [{"n": 1}, {"n": 2}]},
        {"BatchInput": around, "Items": [{"n": 3}]},
    ]


def test_the_interpreter_loads_without_what_its_tasks_do_not_need():
    """Batch and with it EC2, which took four fifths of the time that the first execution waited."""
    program = """
        import sys
        from lampwork.cloud.moto_seam.states.loading import load_interpreter
        load_interpreter(lambda service, region: None, 1.0)
        assert not {"moto.batch", "moto.ec2"} & sys.modules.keys()
        import moto.batch.models
        assert moto.batch.models.BatchBackend
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_a_map_with_options_for_files_that_nothing_here_has_runs_without_them(states: Any):
    """https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html"""
    text = definition(
        {
            "Type": "Map",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **json.loads(definition({"Type": "Pass"})),
            },
            "ResultWriter": {"WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSON"}},
        }
    )

    assert run(states, text, [1, 2])["output"] == "[1,2]"


def test_an_express_execution_ends_after_five_minutes():
    """https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html"""
    from lampwork.cloud.moto_seam.states.interpreter import EXPRESS_SECONDS
    from lampwork.cloud.moto_seam.states.parsing import parsed

    hour, second = (
        parsed(definition({"Type": "Pass"}, TimeoutSeconds=seconds), EXPRESS_SECONDS)
        for seconds in (3600, 1)
    )

    assert hour.timeout_seconds.timeout_seconds == 300
    assert second.timeout_seconds.timeout_seconds == 1


def test_a_malformed_definition_does_not_spoil_the_next_one(states: Any):
    broken = definition({"Type": "Pass", "Parameters": {"a": 1}}, QueryLanguage="JSONata")
    with pytest.raises(ClientError):
        create(states, broken)

    assert run(states, definition({"Type": "Pass", "Parameters": {"a": 1}}))["output"] == '{"a":1}'
