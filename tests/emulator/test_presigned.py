"""Presigned URLs and forms against the embedded S3, which must judge them as AWS does."""

import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree

import boto3
import httpx
import pytest
import pytest_asyncio
from botocore.config import Config

from lampwork.companions.aws import EmbeddedAws
from lampwork.stack.model import CloudResource

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERSIONS = pytest.mark.parametrize("version", ["s3", "s3v4"])
PROJECT = {"AWS_ACCESS_KEY_ID": "of-the-project", "AWS_SECRET_ACCESS_KEY": "its/secret+"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aws(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedAws]:
    folder: Path = tmp_path_factory.mktemp("aws")
    service = EmbeddedAws(folder, lambda _name, _line: None, "us-east-1")
    service.know_key(PROJECT)
    await service.start()
    await service.create([CloudResource("AWS::S3::Bucket", "Pictures", "pictures")])
    await service.loaded()
    yield service
    await service.stop()


def client(
    aws: EmbeddedAws, version: str = "s3v4", *, style: str = "path", **keys: str
) -> "S3Client":
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", **keys}
    return boto3.client(
        "s3",
        endpoint_url=aws.url.replace("127.0.0.1", "localhost") if style == "virtual" else aws.url,
        region_name="us-east-1",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys.get("AWS_SESSION_TOKEN"),
        config=Config(signature_version=version, s3=cast(Any, {"addressing_style": style})),
    )


def link(s3: "S3Client", operation: Any = "get_object", ttl: int = 60, **more: Any) -> str:
    return s3.generate_presigned_url(
        operation, Params={"Bucket": "pictures", "Key": "a b/ü+%2F.png", **more}, ExpiresIn=ttl
    )


@pytest.fixture(autouse=True)
def stored(aws: EmbeddedAws) -> None:
    s3 = client(aws)
    s3.put_object(Bucket="pictures", Key="a b/ü+%2F.png", Body=b"one")
    s3.put_object(Bucket="pictures", Key="other", Body=b"two")


def error(answer: httpx.Response) -> tuple[int, str]:
    document = ElementTree.fromstring(answer.content)
    assert document.tag == "Error"
    assert document.findtext("RequestId")
    assert document.findtext("Message")
    return answer.status_code, document.findtext("Code") or ""


@VERSIONS
async def test_a_link_works_and_so_does_one_with_a_session_and_overridden_headers(aws, version):
    s3 = client(aws, version, AWS_SESSION_TOKEN="test/+ ")
    overridden: dict[str, Any] = {
        "ResponseContentType": "text/plain",
        "ResponseContentDisposition": 'inline; filename="a b.png"',
    }

    answer = httpx.get(link(s3, **overridden))

    assert (answer.status_code, answer.content) == (200, b"one")
    assert answer.headers["content-disposition"] == overridden["ResponseContentDisposition"]
    assert httpx.head(link(s3, "head_object")).status_code == 200
    assert httpx.put(link(s3, "put_object"), content=b"one").status_code == 200


def changes(url: str) -> Iterator[str]:
    """The URL with one thing changed at a time."""
    split = urlsplit(url)
    yield urlunsplit(split._replace(path="/pictures/other"))
    yield urlunsplit(split._replace(query=f"{split.query}&response-content-type=text%2Fhtml"))
    yield urlunsplit(split._replace(netloc=split.netloc.replace("127.0.0.1", "localhost")))
    for name, value in re.findall(r"([\w-]+)=([^&]*)", split.query):
        end = "1" if value[-1:] != "1" else "2"
        yield url.replace(f"{name}={value}", f"{name}={value[:-1]}{end}")
        yield url.replace(f"&{name}={value}", "").replace(f"?{name}={value}&", "?")


@VERSIONS
async def test_a_link_that_was_changed_in_any_place_is_refused(aws, version):
    original = link(client(aws, version), ResponseContentType="image/png")

    for changed in set(changes(original)) - {original}:
        if version == "s3" and "localhost" in changed:
            continue  # the older method does not sign the host
        answer = httpx.get(changed)
        assert error(answer)[0] in (400, 403), changed
    assert httpx.get(original).status_code == 200


@VERSIONS
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_a_link_is_for_one_method(aws, version, method):
    answer = httpx.request(method, link(client(aws, version)), content=b"other")

    assert error(answer) == (403, "SignatureDoesNotMatch")
    assert httpx.get(link(client(aws))).content == b"one"


async def test_the_answer_shows_what_should_have_been_signed(aws):
    answer = httpx.get(link(client(aws)) + "0")

    document = ElementTree.fromstring(answer.content)
    assert answer.headers["content-type"] == "application/xml"
    assert document.findtext("AWSAccessKeyId") == "test"
    assert (document.findtext("StringToSign") or "").startswith("AWS4-HMAC-SHA256\n")
    assert (document.findtext("CanonicalRequest") or "").startswith("GET\n/pictures/a%20b/")


@VERSIONS
async def test_a_link_expires(aws, version):
    s3 = client(aws, version)
    expired = link(s3, ttl=1)
    if version == "s3":  # it names the second of its end
        expired = re.sub(r"Expires=\d+", f"Expires={int(time.time()) - 1}", expired)
    else:
        expired = re.sub(r"X-Amz-Date=\d{8}", "X-Amz-Date=20260101", expired)

    answer = httpx.get(expired)

    document = ElementTree.fromstring(answer.content)
    assert error(answer) == (403, "AccessDenied")
    assert document.findtext("Message") == "Request has expired"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document.findtext("Expires") or "")
    assert document.findtext("ServerTime")


@pytest.mark.parametrize(
    ("pattern", "replacement", "expected"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", (400, "AuthorizationQueryParametersError")),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1", (400, "AuthorizationQueryParametersError")),
        ("X-Amz-Expires=60", "X-Amz-Expires=x", (400, "AuthorizationQueryParametersError")),
        ("X-Amz-Date=2", "X-Amz-Date=x", (400, "AuthorizationQueryParametersError")),
        ("X-Amz-Date=2", "X-Amz-Date=3", (403, "AccessDenied")),
        ("HMAC-SHA256", "HMAC-SHA1", (400, "AuthorizationQueryParametersError")),
        ("Credential=test", "Credential=nobody", (403, "InvalidAccessKeyId")),
        ("aws4_request", "aws5_request", (400, "AuthorizationQueryParametersError")),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=x", (403, "AccessDenied")),
    ],
)
async def test_each_part_of_a_signature_must_make_sense(aws, pattern, replacement, expected):
    assert error(httpx.get(link(client(aws)).replace(pattern, replacement))) == expected


@VERSIONS
async def test_headers_that_were_signed_must_be_sent_and_no_others(aws, version):
    url = link(client(aws, version), "put_object", ContentType="image/png")

    sent = httpx.put(url, content=b"x", headers={"Content-Type": "image/png"})
    other = httpx.put(url, content=b"x", headers={"Content-Type": "text/html"})
    more = {"Content-Type": "image/png", "x-amz-acl": "public-read"}
    unsigned = httpx.put(url, content=b"x", headers=more)

    assert sent.status_code == 200
    assert error(other) == (403, "SignatureDoesNotMatch")
    assert unsigned.status_code == 403


@VERSIONS
async def test_a_bucket_may_be_named_by_the_host(aws, version):
    url = link(client(aws, version, style="virtual"))

    assert urlsplit(url).netloc.startswith("pictures.localhost")
    transport = httpx.HTTPTransport()
    split = urlsplit(url)
    direct = urlunsplit(split._replace(netloc=f"127.0.0.1:{split.port}"))
    with httpx.Client(transport=transport, headers={"Host": split.netloc}) as http:
        assert http.get(direct).content == b"one"
        assert error(http.get(direct + "0"))[1] == "SignatureDoesNotMatch"


@VERSIONS
async def test_keys_of_the_project_of_users_and_of_roles_are_known(aws, version):
    same: dict[str, Any] = {
        "endpoint_url": aws.url,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    iam, sts = boto3.client("iam", **same), boto3.client("sts", **same)
    user = f"ada-{version}"
    iam.create_user(UserName=user)
    of_user = iam.create_access_key(UserName=user)["AccessKey"]
    role = "arn:aws:iam::000000000000:role/reader"
    of_role = sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    made = [
        {"AWS_ACCESS_KEY_ID": each["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": each["SecretAccessKey"]}
        for each in (of_user, of_role)
    ]

    for keys in [PROJECT, *made]:
        assert httpx.get(link(client(aws, version, **keys))).content == b"one"
        wrong = {**keys, "AWS_SECRET_ACCESS_KEY": "guessed"}
        answer = httpx.get(link(client(aws, version, **wrong)))
        assert error(answer) == (403, "SignatureDoesNotMatch")


def post(aws: EmbeddedAws, version: str, body: bytes = b"new", **given: Any) -> httpx.Response:
    """Post a form made by boto3; `changed` are fields added or changed afterwards."""
    changed = given.pop("changed", {})
    form = client(aws, version).generate_presigned_post("pictures", "new", **given)
    fields = {**form["fields"], **changed}
    return httpx.post(form["url"], data=fields, files={"file": body})


@VERSIONS
async def test_a_form_uploads_what_its_policy_allows(aws, version):
    conditions = [["content-length-range", 1, 3], ["starts-with", "$content-type", "image/"]]
    changed = {"Content-Type": "image/png", "x-ignore-this": "1"}

    answer = post(aws, version, Conditions=conditions, changed=changed)

    assert answer.status_code == 204
    assert client(aws).get_object(Bucket="pictures", Key="new")["Body"].read() == b"new"


@VERSIONS
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"changed": {"key": "other"}}, (403, "AccessDenied")),
        ({"changed": {"acl": "public-read"}}, (403, "AccessDenied")),
        ({"changed": {"policy": "e30="}}, (403, "SignatureDoesNotMatch")),
        ({"ExpiresIn": -1}, (403, "AccessDenied")),
        ({"Conditions": [["content-length-range", 4, 9]]}, (400, "EntityTooSmall")),
        ({"Conditions": [["content-length-range", 0, 2]]}, (400, "EntityTooLarge")),
        ({"Conditions": [["eq", "$x-amz-meta-a", "1"]]}, (403, "AccessDenied")),
        ({"Conditions": [["matches", "$key", "."]]}, (400, "InvalidPolicyDocument")),
        ({"Conditions": [{"a": "1", "b": "2"}]}, (400, "InvalidPolicyDocument")),
    ],
)
async def test_a_form_that_its_policy_does_not_allow_is_refused(aws, version, given, expected):
    assert error(post(aws, version, **given)) == expected


async def test_nobody_without_a_signature_reads_writes_or_lists(aws):
    place = f"{aws.url}/pictures"
    asked = [
        *(("GET", url) for url in (place, f"{place}?list-type=2", f"{place}/other")),
        *(("HEAD", f"{place}/other"), ("GET", f"{place}/missing"), ("GET", f"{place}?policy")),
        *((method, f"{place}/other") for method in ("PUT", "DELETE", "POST")),
        *(("DELETE", place), ("PUT", f"{place}?acl"), ("POST", f"{place}?delete")),
    ]

    for method, url in asked:
        answer = httpx.request(method, url)
        assert answer.status_code == 403, (method, url)
        assert method == "HEAD" or error(answer)[1] == "AccessDenied"
    upload = httpx.post(place, data={"key": "k"}, files={"file": b"x"})
    assert error(upload) == (403, "AccessDenied")


async def test_everybody_may_do_what_a_policy_or_an_access_list_permits(aws):
    s3 = client(aws)
    s3.create_bucket(Bucket="public")
    for key in ("shown", "hidden"):
        s3.put_object(Bucket="public", Key=key, Body=b"x")
    s3.put_object_acl(Bucket="public", Key="shown", ACL="public-read")

    def read(key: str) -> int:
        return httpx.get(f"{aws.url}/public/{key}").status_code

    by_list = (read("shown"), read("hidden"))
    for principal, status in (({"AWS": "arn:aws:iam::000000000000:root"}, 403), ("*", 200)):
        statement = {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::public/*",
        }
        s3.put_bucket_policy(Bucket="public", Policy=json.dumps({"Statement": [statement]}))
        assert read("hidden") == status
    assert by_list == (200, 403)
    assert httpx.put(f"{aws.url}/public/shown", content=b"y").status_code == 403


async def test_a_page_may_ask_what_it_may_send_and_read_why_it_was_refused(aws):
    page = {"Origin": "http://localhost:3000"}
    url = link(client(aws), "put_object")

    asked = httpx.options(url, headers={**page, "Access-Control-Request-Method": "PUT"})
    refused = httpx.put(url + "0", headers=page)

    assert asked.status_code == 200
    assert refused.headers["access-control-allow-origin"] == page["Origin"]


async def test_other_services_are_asked_without_a_signature_as_before(aws):
    answer = httpx.post(aws.url, data={"Action": "ListQueues", "Version": "2012-11-05"})

    assert answer.status_code == 200


@VERSIONS
async def test_a_link_does_not_work_beside_an_authorization_header(aws, version):
    """A client that keeps its own token when it follows a redirect to a link."""
    async with httpx.AsyncClient() as http:
        for scheme in ("Bearer token", "AWS4-HMAC-SHA256 Credential=test"):
            answer = await http.get(link(client(aws, version)), headers={"Authorization": scheme})
            assert error(answer) == (400, "InvalidArgument")


async def test_a_token_that_is_no_signature_opens_nothing(aws):
    for scheme in ("Bearer token", "Basic dGVzdDp0ZXN0", "AWS4-HMAC-SHA25 Credential=test", ""):
        headers = {"Authorization": scheme}
        for method, path in (("GET", "other"), ("PUT", "other"), ("DELETE", "other"), ("GET", "")):
            async with httpx.AsyncClient() as http:
                url = f"{aws.url}/pictures/{path}"
                answer = await http.request(method, url, headers=headers)
            assert error(answer) == (400, "InvalidArgument"), (method, scheme)
    assert client(aws).get_object(Bucket="pictures", Key="other")["Body"].read() == b"two"
