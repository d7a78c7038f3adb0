"""The ways a task's doorbell rings: as on a developer's machine by default, and as in the cloud."""

import pytest

QUEUES = {"workers": {}, "sqs": {"QUEUE_URL": "sqs://"}}

over_each_queue = pytest.mark.parametrize("product", QUEUES, indirect=True, scope="package")
