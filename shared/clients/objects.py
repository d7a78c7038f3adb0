import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import boto3
from botocore.auth import S3SigV4Auth
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared import settings
from shared.clients.http_client import HttpClient, NoAnswer, tls
from shared.clients.sigv4 import Signer, named_region
from shared.dependencies import dependency
from shared.singletons import singleton

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# boto3 signs links of some regions by an older method unless version 4 is named. Every
# S3-compatible store understands a bucket in the path, whatever its host name.
CONFIG = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    connect_timeout=2,
    read_timeout=5,
    retries={"total_max_attempts": 2, "mode": "standard"},
)

PUT_PAUSE_SECONDS = 0.2
PUT_TIMEOUT_SECONDS = 30


class ObjectStoreUnavailable(Exception):
    """The object store did not do what it was asked for."""


def folder(task_id: UUID) -> str:
    """The prefix of the keys of everything a task stores."""
    return f"tasks/{task_id}/"


async def put(key: str, data: bytes, *, content_type: str) -> None:
    """Store an object, or replace it.

    Raises:
        ObjectStoreUnavailable: it may be stored or not.
    """
    try:
        await _put(key, data, content_type)
    except ObjectStoreUnavailable:
        await asyncio.sleep(PUT_PAUSE_SECONDS)
        await _put(key, data, content_type)


async def _put(key: str, data: bytes, content_type: str) -> None:
    status = await _request("PUT", f"/{key}", {"Content-Type": content_type}, data)
    if status != HTTPStatus.OK:
        bucket = settings.objects().bucket
        raise ObjectStoreUnavailable(f"A PUT into the bucket {bucket!r} was answered {status}.")


async def _request(
    method: str, path: str, headers: dict[str, str] | None = None, data: bytes = b""
) -> int:
    """The status of the answer to a request about the bucket, over a kept connection. boto3's
    client would take several times the processor time, and a thread.

    Raises:
        ObjectStoreUnavailable: there is no answer.
    """
    endpoint = _client().meta.endpoint_url.rstrip("/")
    url = endpoint + quote(f"/{settings.objects().bucket}{path}", safe="/~")
    split = urlsplit(url)
    signed = _signer().sign(method, url, {"Host": split.netloc, **(headers or {})}, data)
    try:
        return await _http(endpoint).request(method, split.path, signed, data)
    except NoAnswer as error:
        raise ObjectStoreUnavailable(str(error)) from error


async def delete(key: str) -> None:
    """Delete an object, if it is there.

    Raises:
        ObjectStoreUnavailable: it may still be there.
    """
    await _call(_client().delete_object, Bucket=settings.objects().bucket, Key=key)


async def get(key: str) -> bytes | None:
    """What is stored under this key; None if there is nothing.

    Raises:
        ObjectStoreUnavailable: it cannot be read now.
    """
    try:
        async with dependency("storage").asked():
            return await asyncio.to_thread(_get, key)
    except (BotoCoreError, ClientError, TimeoutError) as error:
        raise ObjectStoreUnavailable(str(error)) from error


def _get(key: str) -> bytes | None:
    try:
        answer = _client().get_object(Bucket=settings.objects().bucket, Key=key)
    except _client().exceptions.NoSuchKey:
        return None
    with answer["Body"] as body:
        return body.read()


async def delete_all(prefix: str, *, keep: str | None = None) -> None:
    """Delete every object whose key has this prefix, except those whose key begins with `keep`.

    Raises:
        ObjectStoreUnavailable: some may still be there.
    """
    try:
        async with dependency("storage").asked():
            await asyncio.to_thread(_delete_all, prefix, keep)
    except (BotoCoreError, ClientError, TimeoutError) as error:
        raise ObjectStoreUnavailable(str(error)) from error


def _delete_all(prefix: str, keep: str | None) -> None:
    bucket = settings.objects().bucket
    pages = _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        keys = [listed["Key"] for listed in page.get("Contents", [])]
        for key in keys:
            if keep is None or not key.startswith(keep):
                _client().delete_object(Bucket=bucket, Key=key)


async def check() -> None:
    """Raises ObjectStoreUnavailable unless the bucket is there."""
    try:
        async with dependency("storage").asked():
            status = await _request("HEAD", "")
    except TimeoutError as error:
        raise ObjectStoreUnavailable(str(error)) from error
    if status != HTTPStatus.OK:
        bucket = settings.objects().bucket
        raise ObjectStoreUnavailable(f"The bucket {bucket!r} answered {status}.")


def link(key: str, *, content_type: str, file_name: str, download: bool = False) -> str:
    """A presigned URL under which anybody may read the object for a few minutes.

    A link works only under the host it was signed for. Where browsers reach the store under another
    name than the functions do, S3_PUBLIC_ENDPOINT_URL holds that name.
    """
    disposition = "attachment" if download else "inline"
    return _public_client().generate_presigned_url(
        "get_object",
        Params={
            "Bucket": settings.objects().bucket,
            "Key": key,
            "ResponseContentType": content_type,
            "ResponseContentDisposition": f'{disposition}; filename="{file_name}"',
        },
        ExpiresIn=settings.objects().link_ttl_seconds,
    )


def origin() -> str:
    """The origin of the links, for the content security policy of a page that shows the
    pictures."""
    return _public_client().meta.endpoint_url


async def _call(operation: Callable[..., Any], **parameters: Any) -> None:
    try:
        async with dependency("storage").asked():
            await asyncio.to_thread(partial(operation, **parameters))
    except (BotoCoreError, ClientError, TimeoutError) as error:
        raise ObjectStoreUnavailable(str(error)) from error


@singleton
def _http(origin: str) -> HttpClient:
    return HttpClient(origin, tls=tls(), timeout_seconds=PUT_TIMEOUT_SECONDS)


@singleton
def _signer() -> Signer:
    return Signer.of_process("s3", S3SigV4Auth)


@singleton
def _client() -> "S3Client":
    return boto3.client("s3", region_name=named_region(), config=CONFIG)


@singleton
def _public_client() -> "S3Client":
    public = settings.objects().public_endpoint_url
    if not public:
        return _client()
    return boto3.client("s3", endpoint_url=public, region_name=named_region(), config=CONFIG)
