"""The errors of Step Functions' API.

https://docs.aws.amazon.com/step-functions/latest/apireference/CommonErrors.html
"""


class StatesError(Exception):
    """An error that a client gets: its `code`, and a message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def invalid_arn(arn: object) -> StatesError:
    return StatesError("InvalidArn", f"Invalid Arn: 'Invalid ARN prefix: {arn}'")


def no_machine(arn: str) -> StatesError:
    return StatesError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def no_execution(arn: str) -> StatesError:
    return StatesError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def wrong_type() -> StatesError:
    message = "This operation is not supported by this type of state machine"
    return StatesError("StateMachineTypeNotSupported", message)
