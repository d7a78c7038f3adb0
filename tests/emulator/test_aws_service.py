import asyncio
import itertools
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lampwork.cloud.persistence.object_folder import ObjectFolder
from lampwork.cloud.persistence.state_file import StateFile
from lampwork.companions.aws import EmbeddedAws
from lampwork.stack.model import CloudResource

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AWKWARD_KEYS = [
    "../../outside",
    "/leading/slash",
    "a/b/../c",
    "ünïcode/日本語/🎨.png",
    "with space+plus%2Fpercent?query#fragment",
    "x" * 1024,
]


def s3_client(url: str) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def bucket(name: str) -> CloudResource:
    return CloudResource("AWS::S3::Bucket", name.title(), name)


async def begun(service: EmbeddedAws) -> None:
    """The first request starts the service. That needs the event loop, which requests made by the
    test itself would block."""
    await asyncio.to_thread(s3_client(service.url).list_buckets)


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
async def aws(tmp_path: Path, log: list[str]) -> AsyncIterator[EmbeddedAws]:
    service = EmbeddedAws(tmp_path, lambda _name, line: log.append(line), "us-east-1")
    await service.start()
    await service.create([bucket("pictures")])
    await begun(service)
    yield service
    await service.stop()


@pytest.fixture
def s3(aws: EmbeddedAws) -> "S3Client":
    return s3_client(aws.url)


@pytest.fixture
async def restarted(
    aws: EmbeddedAws, tmp_path: Path
) -> AsyncIterator[Callable[[], Awaitable["S3Client"]]]:
    """Stops the service, starts another on the same folder and returns a client for it."""
    services = []

    async def restart() -> "S3Client":
        await aws.stop()
        services.append(EmbeddedAws(tmp_path, lambda _name, _line: None, "us-east-1"))
        await services[0].start()
        await begun(services[0])
        return s3_client(services[0].url)

    yield restart
    for service in services:
        await service.stop()


Restarted = Callable[[], Awaitable["S3Client"]]


async def test_an_object_survives_a_restart_with_its_metadata(
    s3: "S3Client", restarted: Restarted
) -> None:
    content = os.urandom(300_000)
    s3.put_object(
        Bucket="pictures",
        Key="tasks/1.png",
        Body=content,
        ContentType="image/png",
        CacheControl="max-age=60",
        Metadata={"seed": "42"},
    )
    before = s3.get_object(Bucket="pictures", Key="tasks/1.png")

    s3 = await restarted()

    after = s3.get_object(Bucket="pictures", Key="tasks/1.png")
    assert after["Body"].read() == content
    assert after["Metadata"] == {"seed": "42"}
    for name in ("ContentType", "CacheControl", "ContentLength", "ETag", "LastModified"):
        assert after[name] == before[name]


async def test_awkward_keys_stay_inside_the_folder(
    s3: "S3Client", restarted: Restarted, tmp_path: Path
) -> None:
    for key in AWKWARD_KEYS:
        s3.put_object(Bucket="pictures", Key=key, Body=key.encode())

    s3 = await restarted()

    for key in AWKWARD_KEYS:
        assert s3.get_object(Bucket="pictures", Key=key)["Body"].read() == key.encode()
    assert {file.name for file in tmp_path.iterdir()} == {"aws", "run"}
    assert [file.name for file in (tmp_path / "aws" / "s3").iterdir()] == ["pictures"]
    files = list((tmp_path / "aws" / "s3" / "pictures").iterdir())
    assert len(files) == 2 * len(AWKWARD_KEYS)


async def test_deleted_objects_stay_deleted(
    s3: "S3Client", restarted: Restarted, tmp_path: Path
) -> None:
    for key in ("kept", "one", "two", "three"):
        s3.put_object(Bucket="pictures", Key=key, Body=b"x")
    s3.create_bucket(Bucket="temporary")
    s3.delete_bucket(Bucket="temporary")
    s3.delete_object(Bucket="pictures", Key="one")
    s3.delete_objects(
        Bucket="pictures", Delete={"Objects": [{"Key": "two"}, {"Key": "three"}, {"Key": "none"}]}
    )

    s3 = await restarted()

    assert [each["Key"] for each in s3.list_objects_v2(Bucket="pictures")["Contents"]] == ["kept"]
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["pictures"]
    assert len(list((tmp_path / "aws" / "s3" / "pictures").iterdir())) == 2


async def test_an_overwritten_object_is_the_new_one(s3: "S3Client", restarted: Restarted) -> None:
    s3.put_object(Bucket="pictures", Key="k", Body=b"old", ContentType="text/plain")
    s3.put_object(Bucket="pictures", Key="k", Body=b"newer", ContentType="image/png")

    s3 = await restarted()

    kept = s3.get_object(Bucket="pictures", Key="k")
    assert (kept["Body"].read(), kept["ContentType"]) == (b"newer", "image/png")


async def test_copies_and_multipart_uploads_are_kept(s3: "S3Client", restarted: Restarted) -> None:
    part = os.urandom(5 * 1024 * 1024)
    upload = s3.create_multipart_upload(Bucket="pictures", Key="big", ContentType="image/png")
    parts = [
        s3.upload_part(
            Bucket="pictures", Key="big", UploadId=upload["UploadId"], PartNumber=n, Body=body
        )["ETag"]
        for n, body in ((1, part), (2, b"end"))
    ]
    s3.complete_multipart_upload(
        Bucket="pictures",
        Key="big",
        UploadId=upload["UploadId"],
        MultipartUpload={
            "Parts": [{"ETag": etag, "PartNumber": n} for n, etag in enumerate(parts, start=1)]
        },
    )
    s3.copy_object(Bucket="pictures", Key="copy", CopySource={"Bucket": "pictures", "Key": "big"})
    etag = s3.head_object(Bucket="pictures", Key="big")["ETag"]

    s3 = await restarted()

    for key in ("big", "copy"):
        kept = s3.get_object(Bucket="pictures", Key=key)
        assert (kept["Body"].read(), kept["ContentType"]) == (part + b"end", "image/png")
    assert s3.head_object(Bucket="pictures", Key="big")["ETag"] == etag


async def test_a_killed_server_loses_no_acknowledged_object(
    s3: "S3Client", aws: EmbeddedAws, log: list[str]
) -> None:
    acknowledged: list[str] = []
    enough, killed = threading.Event(), threading.Event()

    def upload() -> None:
        for number in itertools.count():
            if killed.is_set():  # boto3 may have repeated a request that reached the dying server
                return
            try:
                s3.put_object(Bucket="pictures", Key=f"{number}", Body=f"{number}".encode() * 999)
            except Exception:  # whatever boto3 raises when the server is killed in the middle
                return
            acknowledged.append(f"{number}")
            if number == 20:
                enough.set()

    uploading = asyncio.create_task(asyncio.to_thread(upload))
    await asyncio.to_thread(enough.wait, 20)
    assert aws.pid
    os.kill(aws.pid, signal.SIGKILL)
    killed.set()
    await uploading

    again = s3_client(aws.url)
    for key in acknowledged:
        body = await asyncio.to_thread(read, again, key)
        assert body == key.encode() * 999
    assert any("killed by SIGKILL; starting it again" in line for line in log)


async def test_parallel_writers_of_one_key_leave_one_of_their_objects(
    s3: "S3Client", restarted: Restarted
) -> None:
    def put(number: int) -> None:
        name = f"{number}"
        s3.put_object(Bucket="pictures", Key="k", Body=name * 5000, Metadata={"writer": name})

    await asyncio.gather(*(asyncio.to_thread(put, number) for number in range(12)))
    written = s3.get_object(Bucket="pictures", Key="k")["Body"].read()

    s3 = await restarted()

    kept = s3.get_object(Bucket="pictures", Key="k")
    assert kept["Body"].read() == written == kept["Metadata"]["writer"].encode() * 5000


async def test_an_object_put_by_a_link_is_kept_with_its_settings_and_tags(
    s3: "S3Client", restarted: Restarted
) -> None:
    rule: Any = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://app.example"]}
    tags: Any = [{"Key": "kind", "Value": "picture"}]
    s3.put_bucket_cors(Bucket="pictures", CORSConfiguration={"CORSRules": [rule]})
    link = s3.generate_presigned_url("put_object", Params={"Bucket": "pictures", "Key": "a/b"})
    httpx.put(link, content=b"by link").raise_for_status()
    s3.put_object_tagging(Bucket="pictures", Key="a/b", Tagging={"TagSet": tags})

    s3 = await restarted()

    assert read(s3, "a/b") == b"by link"
    assert s3.get_object_tagging(Bucket="pictures", Key="a/b")["TagSet"] == tags
    assert s3.get_bucket_cors(Bucket="pictures")["CORSRules"] == [rule]


async def test_removed_tags_are_gone_after_a_restart(s3: "S3Client", restarted: Restarted) -> None:
    tags: Any = [{"Key": "kind", "Value": "picture"}]
    for key in ("kept", "removed"):
        s3.put_object(Bucket="pictures", Key=key, Body=b"x", Tagging="kind=picture")
    s3.delete_object_tagging(Bucket="pictures", Key="removed")

    s3 = await restarted()

    assert s3.get_object_tagging(Bucket="pictures", Key="kept")["TagSet"] == tags
    assert s3.get_object_tagging(Bucket="pictures", Key="removed")["TagSet"] == []


async def test_changes_that_another_service_makes_to_a_buckets_tags_are_kept(
    s3: "S3Client", aws: EmbeddedAws, restarted: Restarted
) -> None:
    tagging = boto3.client(
        "resourcegroupstaggingapi",
        endpoint_url=aws.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    arns = ["arn:aws:s3:::pictures"]
    tagging.tag_resources(ResourceARNList=arns, Tags={"kind": "picture", "old": "yes"})
    tagging.untag_resources(ResourceARNList=arns, TagKeys=["old"])

    s3 = await restarted()

    kept: Any = [{"Key": "kind", "Value": "picture"}]
    assert s3.get_bucket_tagging(Bucket="pictures")["TagSet"] == kept


async def test_objects_without_tags_add_no_entry_to_the_state(
    s3: "S3Client", aws: EmbeddedAws, tmp_path: Path
) -> None:
    for key in ("a", "b"):
        s3.put_object(Bucket="pictures", Key=key, Body=b"x")
    for key in ("c", "d"):
        s3.put_object(Bucket="pictures", Key=key, Body=b"x", Tagging="kind=picture")
    s3.delete_object_tagging(Bucket="pictures", Key="d")
    await aws.stop()

    state = StateFile(tmp_path / "aws" / "state.db")
    assert [key for key, _ in state.read("s3-tags/")] == ["arn:aws:s3:::pictures/c/null"]


async def test_a_refused_upload_changes_nothing(s3: "S3Client", tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.put_object(Bucket="elsewhere", Key="k", Body=b"x")

    assert [file.name for file in (tmp_path / "aws" / "s3").iterdir()] == ["pictures"]


async def test_browsers_may_read_objects(s3: "S3Client") -> None:
    s3.put_object(Bucket="pictures", Key="k", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "k"})

    answer = httpx.get(url, headers={"Origin": "http://localhost:8000"})

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] in ("*", "http://localhost:8000")


async def test_buckets_are_created_once(aws: EmbeddedAws, s3: "S3Client") -> None:
    s3.put_object(Bucket="pictures", Key="k", Body=b"x")

    await aws.create([bucket("pictures"), bucket("more-pictures")])

    assert {each["Name"] for each in s3.list_buckets()["Buckets"]} == {"pictures", "more-pictures"}
    assert s3.head_object(Bucket="pictures", Key="k")["ContentLength"] == 1


async def test_the_state_of_another_moto_is_set_aside_and_a_new_one_begins(
    aws: EmbeddedAws, s3: "S3Client", tmp_path: Path
) -> None:
    s3.put_object(Bucket="pictures", Key="k", Body=b"x")
    client("sns", aws.url).create_topic(Name="news")
    await aws.stop()
    state = tmp_path / "aws" / "state.db"
    _as_of_another_moto(state)
    before = rows(state)

    said: list[str] = []
    again = EmbeddedAws(tmp_path, lambda _name, line: said.append(line), "us-east-1")
    await again.start()
    await again.create([bucket("pictures"), CloudResource("AWS::SNS::Topic", "News", "news")])
    await begun(again)
    sns = client("sns", again.url)
    try:
        topics = [each["TopicArn"] for each in sns.list_topics()["Topics"]]
        assert read(s3_client(again.url), "k") == b"x"
    finally:
        await again.stop()

    aside = tmp_path / "aws" / "state-of-moto-4.0.0.db"
    assert topics == ["arn:aws:sns:us-east-1:000000000000:news"]
    (line,) = said
    assert " cannot read the state that moto 4.0.0 stored (" in line
    assert f"The state is now in {aside}." in line
    assert rows(aside) == before
    assert rows(state)["moto"] != b"4.0.0"


def test_a_state_that_is_set_aside_replaces_no_other(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        state = StateFile(tmp_path / "state.db")
        state.write({"key": content})
        state.set_aside("old")

    assert rows(tmp_path / "state-old.db") == {"key": b"first"}
    assert rows(tmp_path / "state-old-2.db") == {"key": b"second"}
    assert not (tmp_path / "state.db").exists()


def _as_of_another_moto(path: Path) -> None:
    """Its topics are of a class that does not exist."""
    state = StateFile(path)
    kept = {
        key: value.replace(b"moto.sns.models", b"moto.sns.modelz")
        for key, value in rows(path).items()
    }
    state.write({**kept, "moto": b"4.0.0"})
    state.close()


def rows(path: Path) -> dict[str, bytes]:
    state = StateFile(path)
    try:
        return dict(state.read(""))
    finally:
        state.close()


async def test_numbers_and_booleans_may_be_text_as_parameters_give_them(aws: EmbeddedAws) -> None:
    capacity = {"ReadCapacityUnits": "5", "WriteCapacityUnits": "7"}
    rows = CloudResource(
        "AWS::DynamoDB::Table",
        "Rows",
        "rows",
        {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "ProvisionedThroughput": capacity,
            "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": "true"},
        },
    )

    await aws.create([rows])

    dynamodb = client("dynamodb", aws.url)
    table = await asyncio.to_thread(dynamodb.describe_table, TableName="rows")
    given = table["Table"]["ProvisionedThroughput"]
    expiry = await asyncio.to_thread(dynamodb.describe_time_to_live, TableName="rows")
    assert (given["ReadCapacityUnits"], given["WriteCapacityUnits"]) == (5, 7)
    assert expiry["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"


async def test_a_subscription_may_filter_by_the_body(aws: EmbeddedAws) -> None:
    subscription = {
        "TopicArn": "arn:aws:sns:us-east-1:000000000000:news",
        "Protocol": "sqs",
        "Endpoint": "arn:aws:sqs:us-east-1:000000000000:inbox",
        "FilterPolicy": {"kind": ["urgent"]},
        "FilterPolicyScope": "MessageBody",
        "RawMessageDelivery": True,
    }
    await aws.create(
        [
            CloudResource("AWS::SQS::Queue", "Inbox", "inbox", {"Attributes": {}}),
            CloudResource("AWS::SNS::Topic", "News", "news"),
            CloudResource("AWS::SNS::Subscription", "Urgent", "urgent", subscription),
        ]
    )

    def published() -> list[str]:
        sns, sqs = client("sns", aws.url), client("sqs", aws.url)
        for kind in ("dull", "urgent"):
            sns.publish(TopicArn=subscription["TopicArn"], Message=json.dumps({"kind": kind}))
        queue = sqs.get_queue_url(QueueName="inbox")["QueueUrl"]
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(each["Body"])["kind"] for each in received["Messages"]]

    assert await asyncio.to_thread(published) == ["urgent"]


def client(service: str, url: str) -> Any:
    session: Any = boto3.session.Session()
    return session.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_files_that_no_record_names_are_removed(tmp_path: Path) -> None:
    folder = ObjectFolder(tmp_path)
    folder.create_bucket("b")
    folder.save("b", "k", b"x", {})
    (tmp_path / "b" / "left.over.content").write_bytes(b"half")
    (tmp_path / "b" / "left.new").write_bytes(b"half")

    folder.sweep("b")

    assert [kept.key for kept in folder.objects("b")] == ["k"]
    assert len(list((tmp_path / "b").iterdir())) == 2


def read(client: "S3Client", key: str) -> bytes:
    return client.get_object(Bucket="pictures", Key=key)["Body"].read()
