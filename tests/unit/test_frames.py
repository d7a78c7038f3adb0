import json
from uuid import UUID

import pytest

from shared.stream import frames

TASK = UUID("0a89f0bd-3a3a-4f5e-9d35-5a6b1f6d9c11")
PAYLOAD = {
    "task_id": str(TASK),
    "sequence": 3,
    "status": "processing",
    "terminal": False,
    "progress": 0.4,
    "prompt": "a lighthouse 💡",
    "parameters": {"width": 512},
    "error": None,
    "result": None,
}


def test_an_update_is_the_state_with_a_type_and_the_time_it_was_sent():
    frame = json.loads(frames.update(PAYLOAD))

    assert frame.pop("sent_at").endswith("Z")
    assert frame == {"type": "update", **PAYLOAD}


def test_numbers_that_javascript_would_round_are_sent_as_text():
    payload = {**PAYLOAD, "parameters": {"width": 512, "seed": 2**53}}

    frame = json.loads(frames.update(payload))

    assert frame["parameters"] == {"width": 512, "seed": "9007199254740992"}


def test_a_snapshot_says_whether_it_resumes_only_if_the_client_asked_to_resume():
    plain, resumed = frames.snapshot(PAYLOAD), frames.snapshot(PAYLOAD, resumed=False)

    assert "resumed" not in json.loads(plain)
    assert json.loads(resumed)["resumed"] is False


def test_a_heartbeat_carries_the_last_sequence():
    frame = json.loads(frames.heartbeat(TASK, 3))

    assert (frame["type"], frame["task_id"], frame["sequence"]) == (*("heartbeat", str(TASK), 3),)


def test_frames_are_compact():
    text = frames.error("unknown_message", "No.")

    assert '"type":"error","code":"unknown_message"' in text


def test_a_long_prompt_of_any_script_fits_whole():
    frame = json.loads(frames.update({**PAYLOAD, "prompt": "💡" * 2000}))

    assert frame["prompt"] == "💡" * 2000


@pytest.mark.parametrize("note", ["x" * 40_000, "💡" * 10_000])
@pytest.mark.stream_case(69)
def test_an_oversized_state_loses_optional_members_but_never_its_status(note):
    payload = {**PAYLOAD, "parameters": {"note": note}, "error": {"code": "timeout"}}

    text = frames.update(payload)

    frame = json.loads(text)
    assert len(text.encode()) < frames.MAX_FRAME_BYTES
    assert (frame["status"], frame["sequence"]) == ("processing", 3)
    assert (frame["prompt"], frame["error"]) == (PAYLOAD["prompt"], {"code": "timeout"})
    assert (frame["parameters"], frame["left_out"]) == (None, ["parameters"])


@pytest.mark.stream_case(69)
def test_a_state_with_every_member_oversized_keeps_its_status():
    big = {name: "x" * 140_000 for name in frames.BULKY} | {"parameters": {"x": "x" * 140_000}}

    frame = json.loads(frames.update({**PAYLOAD, **big}))

    assert frame["status"] == "processing"
    assert frame["left_out"] == list(frames.BULKY)
