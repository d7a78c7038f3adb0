import json
from typing import Any

from lampwork.cloud.state_machines.records import Execution, Machine


def status_event(machine: Machine, execution: Execution) -> dict[str, Any]:
    """The event on the default bus that tells the status of an execution, as PutEvents takes it.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    stopped = execution.stopped
    detail = {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": int(execution.started * 1000),
        "stopDate": None if stopped is None else int(stopped * 1000),
        "input": execution.input,
        "output": execution.output,
        "inputDetails": {"included": True},
        "outputDetails": None if execution.output is None else {"included": True},
        "stateMachineVersionArn": execution.version_arn or None,
        "stateMachineAliasArn": execution.alias_arn or None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE" if execution.is_running else None,
        "redriveStatusReason": None,
        "error": execution.error,
        "cause": execution.cause,
    }
    return {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(detail),
        "Resources": [execution.arn],
    }
