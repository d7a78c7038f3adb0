"""What services of operations and development send."""

import json
import uuid
from functools import partial
from typing import Any, Final

from lampwork.commands.samples.firehose import LOGS, compressed
from lampwork.stack.model import ACCOUNT_ID
from lampwork.timestamps import iso_milliseconds
from lampwork.triggers.samples import REGION, Option, Sample, Service

CONFIG: Final = Service("config", "AWS Config's rules.")
BATCH: Final = Service("batch", "Batch jobs, as a workflow of Step Functions passes them.")


def _create(*, stack: str, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes-create.html"""
    name = f"arn:aws:cloudformation:{region}:{ACCOUNT_ID}:stack/{stack}/{uuid.uuid4()}"
    return {
        "RequestType": "Create",
        "ResponseURL": "http://pre-signed-S3-url-for-response",
        "StackId": name,
        "RequestId": str(uuid.uuid4()),
        "ResourceType": "Custom::TestResource",
        "LogicalResourceId": "MyTestResource",
        "ResourceProperties": {"StackName": stack, "List": ["1", "2", "3"]},
    }


def _push(*, repository: str, trigger: str, custom_data: str, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-codecommit.html"""
    return {
        "Records": [
            {
                "awsRegion": region,
                "codecommit": {
                    "references": [{"commit": uuid.uuid4().hex, "ref": "refs/heads/main"}]
                },
                "customData": custom_data,
                "eventId": str(uuid.uuid4()),
                "eventName": "TriggerEventTest",
                "eventPartNumber": 1,
                "eventSource": "aws:codecommit",
                "eventSourceARN": f"arn:aws:codecommit:{region}:{ACCOUNT_ID}:{repository}",
                "eventTime": iso_milliseconds(),
                "eventTotalParts": 1,
                "eventTriggerConfigId": str(uuid.uuid4()),
                "eventTriggerName": trigger,
                "eventVersion": "1.0",
                "userIdentityARN": f"arn:aws:iam::{ACCOUNT_ID}:root",
            }
        ]
    }


def _job(
    *, input_bucket: str, input_key: str, output_bucket: str, output_key: str
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html"""

    def artifact(name: str, bucket: str, key: str) -> dict[str, Any]:
        place = {"bucketName": bucket, "objectKey": key}
        return {"name": name, "revision": None, "location": {"type": "S3", "s3Location": place}}

    return {
        "CodePipeline.job": {
            "id": str(uuid.uuid4()),
            "accountId": ACCOUNT_ID,
            "data": {
                "actionConfiguration": {
                    "configuration": {"FunctionName": "my-function", "UserParameters": "{}"}
                },
                "inputArtifacts": [artifact("input", input_bucket, input_key)],
                "outputArtifacts": [artifact("output", output_bucket, output_key)],
                "artifactCredentials": {
                    "accessKeyId": "test",
                    "secretAccessKey": "test",
                    "sessionToken": "test",
                },
            },
        }
    }


def _sync(*, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-events.html"""
    change = {"oldValue": "old", "newValue": "new", "op": "replace"}
    return {
        "version": 2,
        "eventType": "SyncTrigger",
        "region": region,
        "identityPoolId": f"{region}:{uuid.uuid4()}",
        "identityId": f"{region}:{uuid.uuid4()}",
        "datasetName": "preferences",
        "datasetRecords": {"SampleKey1": change, "SampleKey2": change},
    }


def _rule(kind: str, *, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules_example-events.html"""
    item = {
        "configurationItemCaptureTime": iso_milliseconds(),
        "configurationItemStatus": "OK",
        "resourceId": "i-00000000",
        "resourceType": "AWS::EC2::Instance",
        "awsAccountId": ACCOUNT_ID,
        "awsRegion": region,
        "ARN": f"arn:aws:ec2:{region}:{ACCOUNT_ID}:instance/i-00000000",
    }
    message: dict[str, Any] = {
        "messageType": kind,
        "notificationCreationTime": iso_milliseconds(),
    }
    if kind == "ConfigurationItemChangeNotification":
        message |= {"configurationItem": item, "recordVersion": "1.3"}
    elif kind == "OversizedConfigurationItemChangeNotification":
        message |= {"configurationItemSummary": item, "recordVersion": "1.0"}
    else:
        message |= {"awsAccountId": ACCOUNT_ID, "recordVersion": "1.0"}
    return {
        "version": "1.0",
        "invokingEvent": json.dumps(message),
        "ruleParameters": json.dumps({"myParameterKey": "myParameterValue"}),
        "resultToken": "myResultToken",
        "eventLeftScope": False,
        "executionRoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/config-role",
        "configRuleArn": f"arn:aws:config:{region}:{ACCOUNT_ID}:config-rule/config-rule-0123456",
        "configRuleName": "my-rule",
        "configRuleId": "config-rule-0123456",
        "accountId": ACCOUNT_ID,
    }


def _of_config(name: str, about: str, kind: str) -> Sample:
    return Sample((CONFIG,), name, about, partial(_rule, kind), (REGION,))


def _submitted() -> dict[str, Any]:
    """https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html"""
    return {"jobName": "my-job", "jobQueue": "my-queue", "jobDefinition": "my-job:1"}


def _asked() -> dict[str, Any]:
    """https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html"""
    return {"jobId": str(uuid.uuid4())}


def _logs() -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html"""
    return {"awslogs": {"data": compressed(LOGS)}}


def _error(*, error: str, cause: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    return {"Error": error, "Cause": cause}


SAMPLES: Final = (
    Sample(
        (Service("cloudformation", "Custom resources."),),
        "create-request",
        "A custom resource is created.",
        _create,
        (Option("stack", "MyStack"), REGION),
    ),
    Sample(
        (Service("codecommit", "Repositories."),),
        "repository",
        "A branch was pushed.",
        _push,
        (
            Option("repository", "my-repo"),
            Option("trigger", "my-trigger"),
            Option("custom-data", "this is custom data"),
            REGION,
        ),
    ),
    Sample(
        (Service("codepipeline", "Pipelines."),),
        "job",
        "An action invokes a function.",
        _job,
        (
            Option("input-bucket", "my-input"),
            Option("input-key", "input.zip"),
            Option("output-bucket", "my-output"),
            Option("output-key", "output.zip"),
        ),
    ),
    Sample(
        (Service("cognito", "Cognito Sync."),),
        "sync-trigger",
        "A dataset is synchronised.",
        _sync,
        (REGION,),
    ),
    _of_config(
        "item-change-notification",
        "A resource has changed.",
        "ConfigurationItemChangeNotification",
    ),
    _of_config(
        "oversized-item-change-notification",
        "A resource has changed, of which only a summary fits.",
        "OversizedConfigurationItemChangeNotification",
    ),
    _of_config("periodic-rule", "It is time to check a rule.", "ScheduledNotification"),
    # SAM has the two the other way round: `get-job` asks for a submission.
    Sample((BATCH,), "get-job", "A job to submit.", _submitted),
    Sample((BATCH,), "submit-job", "The id of a job that was submitted.", _asked),
    Sample(
        (Service("cloudwatch", "Logs, and schedules."),),
        "logs",
        "Entries of a log group.",
        _logs,
    ),
    Sample(
        (Service("stepfunctions", "State machines."),),
        "error",
        "The error output of a state.",
        _error,
        (Option("error", "ErrorName"), Option("cause", "This is the cause of the error.")),
    ),
)
