"""Which actions requests to S3 need.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qs, unquote

from lampwork.permissions.requests.need import Need

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
HOST: Final = re.compile(r"(.+?)\.(?:s3[.-].*|localhost)(?::\d+)?")
COPIED: Final = "x-amz-copy-source"
KEY: Final = re.compile(rb"<Key>([^<]*)</Key>")
# By a name in the query, what is asked of an object or of a bucket by GET, PUT and DELETE.
OF_OBJECTS: Final = {
    "acl": ("GetObjectAcl", "PutObjectAcl", ""),
    "attributes": ("GetObjectAttributes", "", ""),
    "legal-hold": ("GetObjectLegalHold", "PutObjectLegalHold", ""),
    "retention": ("GetObjectRetention", "PutObjectRetention", ""),
    "tagging": ("GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
}
OF_BUCKETS: Final = {
    "acl": ("GetBucketAcl", "PutBucketAcl", ""),
    "cors": ("GetBucketCORS", "PutBucketCORS", "PutBucketCORS"),
    "encryption": ("GetEncryptionConfiguration", *("PutEncryptionConfiguration",) * 2),
    "lifecycle": ("GetLifecycleConfiguration", *("PutLifecycleConfiguration",) * 2),
    "location": ("GetBucketLocation", "", ""),
    "notification": ("GetBucketNotification", "PutBucketNotification", ""),
    "policy": ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    "tagging": ("GetBucketTagging", "PutBucketTagging", "PutBucketTagging"),
    "uploads": ("ListBucketMultipartUploads", "", ""),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning", ""),
    "versions": ("ListBucketVersions", "", ""),
}


def needs(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> Iterator[Need]:
    """Of a request with its bucket in the path, or in the host's name."""
    path = unquote(path).lstrip("/")
    if (named := HOST.fullmatch(headers.get("host", ""))) and named[1] != "s3":
        path = f"{named[1]}/{path}"
    bucket, _, key = path.partition("/")
    asked = parse_qs(query, keep_blank_values=True)
    if not bucket:
        yield Need("s3:ListAllMyBuckets", "*")
    elif not key:
        yield from _of_bucket(method, f"arn:aws:s3:::{bucket}", asked, body)
    else:
        arn = f"arn:aws:s3:::{bucket}/{key}"
        if source := headers.get(COPIED):
            name = unquote(source.partition("?")[0]).lstrip("/")
            yield Need("s3:GetObject", f"arn:aws:s3:::{name}")
        yield Need(f"s3:{_of_object(method, asked)}", arn)


def _of_bucket(
    method: str, arn: str, asked: Mapping[str, list[str]], body: bytes
) -> Iterator[Need]:
    if method == "POST":
        if "delete" in asked:  # several objects
            for key in KEY.findall(body):
                yield Need("s3:DeleteObject", f"{arn}/{key.decode('utf-8', 'replace')}")
        return
    for name, actions in OF_BUCKETS.items():
        if name in asked and (action := _by_method(method, actions)):
            yield Need(f"s3:{action}", arn)
            return
    names = {"PUT": "CreateBucket", "DELETE": "DeleteBucket"}
    yield Need(f"s3:{names.get(method, 'ListBucket')}", arn)


def _of_object(method: str, asked: Mapping[str, list[str]]) -> str:
    for name, actions in OF_OBJECTS.items():
        if name in asked and (action := _by_method(method, actions)):
            return action
    version = "Version" if "versionId" in asked else ""
    if "uploadId" in asked and method in ("GET", "DELETE"):
        return "ListMultipartUploadParts" if method == "GET" else "AbortMultipartUpload"
    if method == "DELETE":
        return f"DeleteObject{version}"
    return "PutObject" if method in ("PUT", "POST") else f"GetObject{version}"


def _by_method(method: str, actions: tuple[str, ...]) -> str:
    return dict(zip(("GET", "PUT", "DELETE"), actions, strict=True)).get(method, "")
