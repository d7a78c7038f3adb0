"""Everything of the stack that is not in PostgreSQL, as one tar: the objects of the bucket and the
keys. It runs in a container of the stack; local/stack_backup.py calls it.

    python -m local.archive save >tar        python -m local.archive load <tar
"""

import argparse
import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import boto3

from shared import settings
from shared.clients.objects import CONFIG

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OBJECTS = "objects/"
KEYS = "keys.json"
CONTENT_TYPE = "LAMPWORK.content-type"  # a pax header of our own


def save(stream: IO[bytes], s3: "S3Client", bucket: str, keys: Path) -> int:
    """Write the archive. Returns the number of objects, of which one at a time is in memory."""
    saved = 0
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, KEYS, keys.read_bytes(), {})
        for name in _names(s3, bucket):
            try:
                found = s3.get_object(Bucket=bucket, Key=name)
            except s3.exceptions.NoSuchKey:  # its owner has deleted it meanwhile
                continue
            headers = {CONTENT_TYPE: found["ContentType"]}
            _add(tar, OBJECTS + name, found["Body"].read(), headers)
            saved += 1
    return saved


def load(stream: IO[bytes], s3: "S3Client", bucket: str, keys: Path) -> int:
    """Put back what an archive holds; what it does not hold stays. Returns the number of
    objects."""
    loaded = 0
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is None:
                continue
            data = file.read()
            if member.name == KEYS:
                keys.write_bytes(data)
            elif member.name.startswith(OBJECTS):
                name, kind = member.name.removeprefix(OBJECTS), member.pax_headers[CONTENT_TYPE]
                s3.put_object(Bucket=bucket, Key=name, Body=data, ContentType=kind)
                loaded += 1
    return loaded


def _names(s3: "S3Client", bucket: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for each in page.get("Contents", []):
            yield each["Key"]


def _add(tar: tarfile.TarFile, name: str, data: bytes, headers: dict[str, str]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.pax_headers, member.mode = len(data), headers, 0o600
    tar.addfile(member, io.BytesIO(data))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["save", "load"])
    what = parser.parse_args().what
    keys = settings.keys().file
    if keys is None:
        sys.stderr.write("KEYS_FILE must name the file of the keys.\n")
        return 1
    s3, bucket = boto3.client("s3", config=CONFIG), settings.objects().bucket
    if what == "save":
        count = save(sys.stdout.buffer, s3, bucket, Path(keys))
    else:
        count = load(sys.stdin.buffer, s3, bucket, Path(keys))
    sys.stderr.write(f"{count} objects and the keys\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
