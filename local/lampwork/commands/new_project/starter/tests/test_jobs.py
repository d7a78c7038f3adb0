"""Tests on the whole running stack, which the fixture `stack` gives: it comes with Lampwork."""

import pytest
from lampwork.testing import Stack


def test_the_result_of_a_job_reaches_everybody_who_listens(stack: Stack) -> None:
    with stack.connect("/live") as ada, stack.connect("/live") as bob:
        job = stack.post("/jobs", json={"text": "hello"}).json()

        expected = {"id": job["id"], "result": "HELLO"}
        assert ada.receive_json() == expected
        assert bob.receive_json() == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"text": 1}'])
def test_a_body_that_is_no_job_is_refused(stack: Stack, body: bytes) -> None:
    assert stack.post("/jobs", data=body).status_code == 400


def test_a_job_that_fails_three_times_is_a_dead_letter(stack: Stack) -> None:
    stack.fail_next("Work", times=3)
    stack.post("/jobs", json={"text": "hello"})

    stack.clock.advance(minutes=10)

    (failed,) = stack.queue("Jobs").dead_letters()
    assert failed.json()["text"] == "hello"
