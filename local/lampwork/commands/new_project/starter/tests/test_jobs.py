import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from websockets.sync.client import connect

PATIENCE = 60  # seconds: the first event of a function starts it


def post(url: str, body: bytes) -> dict[str, str]:
    with urlopen(Request(url, body, {"Content-Type": "application/json"})) as answer:
        result: dict[str, str] = json.load(answer)
        return result


def test_the_result_of_a_job_reaches_everybody_who_listens(origin: str) -> None:
    live = f"{origin.replace('http', 'ws', 1)}/live"
    with (
        connect(live, open_timeout=PATIENCE) as ada,
        connect(live, open_timeout=PATIENCE) as bob,
    ):
        job = post(f"{origin}/jobs", b'{"text": "hello"}')

        expected = {"id": job["id"], "result": "HELLO"}
        assert json.loads(ada.recv(timeout=PATIENCE)) == expected
        assert json.loads(bob.recv(timeout=PATIENCE)) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"text": 1}'])
def test_a_body_that_is_no_job_is_refused(origin: str, body: bytes) -> None:
    with pytest.raises(HTTPError) as refused:
        post(f"{origin}/jobs", body)

    assert refused.value.code == 400
    refused.value.close()
