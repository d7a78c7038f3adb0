"""The operations by which workers answer the tasks of state machines: callbacks with a token, and
activities.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from lampwork.cloud.state_machines.errors import StatesError, invalid_arn
from lampwork.cloud.state_machines.executions import Executions
from lampwork.cloud.state_machines.store import Store
from lampwork.stack.model import ACCOUNT_ID

Request = Mapping[str, Any]
Answer = dict[str, Any]

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetActivityTask.html
LONG_POLL_SECONDS: Final = 60
POLL_SECONDS: Final = 0.1


class Activities(dict[str, Any]):
    """moto's queues of the tasks of activities, each made when it is first asked for."""

    def __init__(self, store: Store, make: Callable[[str, str], Any]) -> None:
        super().__init__()
        self._store = store
        self._make = make

    def get(self, arn: str, default: Any = None) -> Any:
        if arn not in self._store.activities:
            return default
        if arn not in self:
            self[arn] = self._make(arn, arn.rpartition(":")[2])
        return self[arn]


class Tasks:
    def __init__(
        self, store: Store, executions: Executions, activities: Activities, over: type[Exception]
    ) -> None:
        """`over` is what a run raises for a token whose task is over."""
        self._store = store
        self._executions = executions
        self._activities = activities
        self._over = over

    def send_task_success(self, asked: Request, region: str) -> Answer:
        token, output = asked["taskToken"], asked["output"]
        run = self._executions.waiting_for(token)
        try:
            json.loads(output)
        except ValueError as error:
            raise StatesError("InvalidOutput", f"Invalid Output: '{error}'") from error
        with self._open_task():
            run.succeed(token, output)
        return {}

    def send_task_failure(self, asked: Request, region: str) -> Answer:
        with self._open_task():
            self._executions.waiting_for(asked["taskToken"]).fail(
                asked["taskToken"], asked.get("error"), asked.get("cause")
            )
        return {}

    def send_task_heartbeat(self, asked: Request, region: str) -> Answer:
        with self._open_task():
            self._executions.waiting_for(asked["taskToken"]).heartbeat(asked["taskToken"])
        return {}

    def create_activity(self, asked: Request, region: str) -> Answer:
        arn = f"arn:aws:states:{region}:{ACCOUNT_ID}:activity:{asked['name']}"
        return {"activityArn": arn, "creationDate": self._store.keep_activity(arn)}

    def describe_activity(self, asked: Request, region: str) -> Answer:
        arn = asked["activityArn"]
        return {**_activity(arn), "creationDate": self._created(arn)}

    def delete_activity(self, asked: Request, region: str) -> Answer:
        self._store.delete_activity(asked["activityArn"])
        return {}

    def list_activities(self, asked: Request, region: str) -> Answer:
        found = self._store.activities.items()
        return {"activities": [{**_activity(arn), "creationDate": at} for arn, at in found]}

    def get_activity_task(self, asked: Request, region: str) -> Answer:
        """The next task of an activity; empty if none comes within a minute."""
        arn = asked["activityArn"]
        self._created(arn)
        end = time.monotonic() + LONG_POLL_SECONDS
        while time.monotonic() < end:
            with suppress(IndexError):  # no task waits
                task = self._activities.get(arn).get_task()
                run = self._executions.waiting_for(task.task_token)
                run.begin_activity(task.task_token, asked.get("workerName"))
                return {"taskToken": task.task_token, "input": task.task_input}
            time.sleep(POLL_SECONDS)
        return {}

    def _created(self, arn: str) -> float:
        if ":activity:" not in arn:
            raise invalid_arn(arn)
        try:
            return self._store.activities[arn]
        except KeyError:
            message = f"Activity Does Not Exist: '{arn}'"
            raise StatesError("ActivityDoesNotExist", message) from None

    @contextmanager
    def _open_task(self) -> Iterator[None]:
        try:
            yield
        except self._over:
            message = "Task Timed Out: 'Provided task does not exist anymore'"
            raise StatesError("TaskTimedOut", message) from None


def _activity(arn: str) -> Answer:
    return {"activityArn": arn, "name": arn.rpartition(":")[2]}
