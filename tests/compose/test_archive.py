"""What a backup of the stack holds beside the database."""

import io
import tarfile
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.archive import load, save

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FROM, INTO = "saved", "restored"


@pytest.fixture
def s3(object_store: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("s3", endpoint_url=object_store, region_name="us-east-1")
    for bucket in (FROM, INTO):
        client.create_bucket(Bucket=bucket)
    yield client
    for bucket in (FROM, INTO):
        for each in client.list_objects_v2(Bucket=bucket).get("Contents", []):
            client.delete_object(Bucket=bucket, Key=each["Key"])
        client.delete_bucket(Bucket=bucket)


def saved(s3: Any, keys: Path) -> bytes:
    stream = io.BytesIO()
    save(stream, s3, FROM, keys)
    return stream.getvalue()


def test_objects_and_keys_come_back_as_they_were(s3, tmp_path):
    keys, back = tmp_path / "keys.json", tmp_path / "back.json"
    keys.write_text('{"signing": {}}')
    s3.put_object(Bucket=FROM, Key="tasks/1/a.png", Body=PICTURE, ContentType="image/png")
    s3.put_object(Bucket=FROM, Key=f"tasks/{'é' * 120}", Body=b"", ContentType="text/plain")

    count = load(io.BytesIO(saved(s3, keys)), s3, INTO, back)

    found = s3.get_object(Bucket=INTO, Key="tasks/1/a.png")
    assert (count, found["Body"].read(), found["ContentType"]) == (2, PICTURE, "image/png")
    assert s3.get_object(Bucket=INTO, Key=f"tasks/{'é' * 120}")["ContentLength"] == 0
    assert back.read_text() == keys.read_text()


def test_what_the_archive_does_not_hold_stays(s3, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    s3.put_object(Bucket=INTO, Key="newer", Body=b"newer")

    load(io.BytesIO(saved(s3, keys)), s3, INTO, keys)

    assert s3.get_object(Bucket=INTO, Key="newer")["Body"].read() == b"newer"


def test_an_archive_that_ends_too_soon_is_an_error(s3, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    s3.put_object(Bucket=FROM, Key="a", Body=PICTURE * 100, ContentType="image/png")

    with pytest.raises(tarfile.ReadError):
        load(io.BytesIO(saved(s3, keys)[:2000]), s3, INTO, keys)
