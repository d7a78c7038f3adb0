"""Mails, pictures and objects."""

import uuid
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

from lampwork.stack.model import ACCOUNT_ID
from lampwork.timestamps import iso_milliseconds
from lampwork.triggers.samples import REGION, Option, Sample, Service
from lampwork.triggers.targets.buckets import make_put

PASS: Final = {"status": "PASS"}
JOB: Final = Option("labeling-job-name", "my-job")
SAGEMAKER: Final = Service("sagemaker", "Ground Truth's labeling jobs.")


def _received(*, dns_suffix: str, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/ses/latest/dg/receiving-email-action-lambda-event.html"""
    now, written = iso_milliseconds(), format_datetime(datetime.now(UTC))
    sender, recipient, subject = "ada@example.com", "grace@example.com", "Test Subject"
    message_id = f"<{uuid.uuid4()}@email.{dns_suffix}>"
    headers = {
        "Return-Path": f"<{sender}>",
        "Date": written,
        "From": sender,
        "To": recipient,
        "Message-ID": message_id,
        "Subject": subject,
        "Content-Type": "text/plain; charset=utf-8",
    }
    verdicts = ("spamVerdict", "virusVerdict", "spfVerdict", "dkimVerdict", "dmarcVerdict")
    return {
        "Records": [
            {
                "eventSource": "aws:ses",
                "eventVersion": "1.0",
                "ses": {
                    "mail": {
                        "timestamp": now,
                        "source": sender,
                        "messageId": uuid.uuid4().hex,
                        "destination": [recipient],
                        "headersTruncated": False,
                        "headers": [
                            {"name": name, "value": value} for name, value in headers.items()
                        ],
                        "commonHeaders": {
                            "returnPath": sender,
                            "from": [sender],
                            "date": written,
                            "to": [recipient],
                            "messageId": message_id,
                            "subject": subject,
                        },
                    },
                    "receipt": {
                        "timestamp": now,
                        "processingTimeMillis": 574,
                        "recipients": [recipient],
                        **dict.fromkeys(verdicts, PASS),
                        "action": {
                            "type": "Lambda",
                            "functionArn": f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:mail",
                            "invocationType": "Event",
                        },
                    },
                },
            }
        ]
    }


def _mail(*, flow_direction: str, mail_from: str, sender: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/workmail/latest/adminguide/lambda.html"""
    recipients = ("recipient1@example.com", "recipient2@example.com")
    return {
        "summaryVersion": "2018-10-10",
        "envelope": {
            "mailFrom": {"address": mail_from},
            "recipients": [{"address": each} for each in recipients],
        },
        "sender": {"address": sender},
        "subject": "Hello From Amazon WorkMail!",
        "messageId": str(uuid.uuid4()),
        "invocationId": uuid.uuid4().hex,
        "flowDirection": flow_direction,
        "truncated": False,
    }


def _picture(*, bucket: str, key: str, region: str) -> dict[str, Any]:
    """A picture that was put into a bucket, for Rekognition to look at."""
    return make_put(bucket=bucket, key=key, size=1024, region=region)


def _object(*, bucket_arn: str, key: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html"""
    task = {"taskId": uuid.uuid4().hex, "s3Key": key, "s3VersionId": "1", "s3BucketArn": bucket_arn}
    return {
        "invocationSchemaVersion": "1.0",
        "invocationId": uuid.uuid4().hex,
        "job": {"id": str(uuid.uuid4())},
        "tasks": [task],
    }


def _labeling_job(region: str, name: str) -> str:
    return f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:labeling-job/{name}"


def _to_annotate(*, source_ref: str, labeling_job_name: str, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/sms-custom-templates-step3-lambda-requirements.html"""
    return {
        "version": "2018-10-16",
        "labelingJobArn": _labeling_job(region, labeling_job_name),
        "dataObject": {"source-ref": source_ref},
    }


def _annotated(
    *,
    labeling_job_name: str,
    label_attribute_name: str,
    s3_output_path: str,
    execution_role: str,
    iteration_object_timestamp: str,
    region: str,
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/sms-custom-templates-step3-lambda-requirements.html"""
    folder = f"{s3_output_path}/{labeling_job_name}/annotations/consolidated-annotation"
    return {
        "version": "2018-10-16",
        "labelingJobArn": _labeling_job(region, labeling_job_name),
        "labelAttributeName": label_attribute_name,
        "roleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/{execution_role}",
        "payload": {"s3Uri": f"{folder}/consolidation-request/{iteration_object_timestamp}.json"},
    }


SAMPLES: Final = (
    Sample(
        (Service("ses", "Mails that arrive."),),
        "email-receiving",
        "A mail has arrived.",
        _received,
        (Option("dns-suffix", "us-east-1.amazonaws.com"), REGION),
    ),
    Sample(
        (Service("workmail", "WorkMail's rules."),),
        "email",
        "A mail matches a rule.",
        _mail,
        (
            Option("flow-direction", "INBOUND"),
            Option("mail-from", "from@example.com"),
            Option("sender", "sender@example.com"),
        ),
    ),
    Sample(
        (Service("rekognition", "Pictures."),),
        "s3-request",
        "A picture was put into a bucket.",
        _picture,
        (Option("bucket", "my-bucket"), Option("key", "folder/picture.png"), REGION),
    ),
    Sample(
        (Service("s3", "Buckets."),),
        "batch-invocation",
        "S3 Batch Operations ask for one object.",
        _object,
        (Option("bucket-arn", "arn:aws:s3:::my-bucket"), Option("key", "folder/picture.png")),
    ),
    Sample(
        (SAGEMAKER,),
        "ground-truth-pre-human",
        "An object is to be labeled.",
        _to_annotate,
        (Option("source-ref", "s3://my-bucket/picture.png"), JOB, REGION),
    ),
    Sample(
        (SAGEMAKER,),
        "ground-truth-annotation-consolidation",
        "The labels of an object are to be made one.",
        _annotated,
        (
            JOB,
            Option("label-attribute-name", "my-attribute"),
            Option("s3-output-path", "s3://my-bucket/output"),
            Option("execution-role", "sagemaker-role"),
            Option("iteration-object-timestamp", "iteration-1/0/2026-03-01_12:00:00"),
            REGION,
        ),
    ),
)
