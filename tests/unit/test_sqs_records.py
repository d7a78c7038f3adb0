import base64
import json

import pytest

from shared.queues import sqs_records
from shared.queues.doorbells import doorbell
from shared.queues.sqs_records import UndecodableRecord

TASK = "0a89f0bd-3a3a-4f5e-9d35-5a6b1f6d9c11"
TEXT = doorbell("deliver", TASK).encode().decode()  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [TEXT, base64.b64encode(TEXT.encode()).decode(), json.dumps(TEXT)])
@pytest.mark.stream_case(70)
def test_a_message_is_read_in_each_form_that_senders_use(body):
    assert sqs_records.read({"body": body}).kwargs == {"task_id": TASK}


@pytest.mark.parametrize(
    "record",
    [
        *({}, {"body": None}, {"body": ""}, {"body": "garbage"}, {"body": "{}"}, {"body": "[]"}),
        *({"body": '"'}, {"body": '"""'}, {"body": "null"}, {"body": "{" * 5000}),
    ],
)
@pytest.mark.stream_case(70)
def test_any_other_message_is_undecodable(record):
    with pytest.raises(UndecodableRecord):
        sqs_records.read(record)
