import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.emulator.projects.installation import Installation, Project, project
from tests.waiting import until


@pytest.fixture(scope="module")
def chat(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project(installation, "chat", tmp_path_factory.mktemp("projects")) as chat:
        chat.up()
        yield chat


@contextmanager
def joined(chat: Project, room: str) -> Iterator[ClientConnection]:
    url = chat.origin.replace("http", "ws", 1)
    with connect(f"{url}/Prod?room={room}", compression=None) as socket:
        yield socket


def say(socket: ClientConnection, text: str) -> None:
    socket.send(json.dumps({"action": "sendmessage", "data": text}))


def heard(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=20))


def client(chat: Project, service: Any, **options: Any) -> Any:
    return boto3.client(service, **{**chat.aws, **options})


def connections(chat: Project) -> list[str]:
    items = client(chat, "dynamodb").scan(TableName="chat-connections")["Items"]
    return [item["room"]["S"] for item in items]


def test_a_message_reaches_its_whole_room_and_no_other_room(chat: Project) -> None:
    with joined(chat, "a") as anna, joined(chat, "a") as ben, joined(chat, "b") as carl:
        say(anna, "hello")
        assert heard(anna) == heard(ben) == {"text": "hello", "number": 1}

        say(carl, "alone")
        assert heard(carl) == {"text": "alone", "number": 1}
        say(ben, "again")
        assert heard(anna)["text"] == "again"


def test_a_person_who_leaves_is_forgotten(chat: Project) -> None:
    with joined(chat, "leaving"):
        assert "leaving" in connections(chat)

    until(lambda: "leaving" not in connections(chat))


def test_boto3_posts_to_a_connection_and_closes_it_from_outside(chat: Project) -> None:
    with joined(chat, "outside") as socket:
        (item,) = [
            each
            for each in client(chat, "dynamodb").scan(TableName="chat-connections")["Items"]
            if each["room"]["S"] == "outside"
        ]
        gateway = client(chat, "apigatewaymanagementapi", endpoint_url=f"{chat.origin}/Prod")
        connection_id = item["connectionId"]["S"]
        gateway.post_to_connection(ConnectionId=connection_id, Data=b'{"text": "news"}')
        assert heard(socket) == {"text": "news"}

        gateway.delete_connection(ConnectionId=connection_id)
        with pytest.raises(gateway.exceptions.GoneException):
            gateway.post_to_connection(ConnectionId=connection_id, Data=b"{}")


def test_boto3_invokes_a_function_of_the_chat(chat: Project) -> None:
    context = {"connectionId": "made-up", "domainName": "localhost", "stage": "Prod"}

    answer = client(chat, "lambda").invoke(
        FunctionName="chat-disconnect", Payload=json.dumps({"requestContext": context})
    )

    assert json.load(answer["Payload"]) == {"statusCode": 200, "body": "Disconnected."}


def test_the_table_matches_the_template(chat: Project) -> None:
    table = client(chat, "dynamodb").describe_table(TableName="chat-connections")["Table"]

    assert table["KeySchema"] == [{"AttributeName": "connectionId", "KeyType": "HASH"}]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by-room"]


def test_items_survive_a_kill(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with project(installation, "chat", tmp_path_factory.mktemp("killed")) as chat:
        chat.up()
        accepted: list[str] = []

        def put() -> None:
            dynamodb = client(chat, "dynamodb")
            while True:
                key = f"c{len(accepted)}"
                item = {"connectionId": {"S": key}, "room": {"S": "kept"}}
                try:
                    dynamodb.put_item(TableName="chat-connections", Item=item)
                except Exception:  # whatever boto3 raises when the server is killed meanwhile
                    return
                accepted.append(key)

        putting = threading.Thread(target=put)
        putting.start()
        until(lambda: len(accepted) > 20)
        chat.lampwork.stop(signal.SIGKILL)
        putting.join()

        chat.up()
        items = client(chat, "dynamodb").scan(TableName="chat-connections")["Items"]

        assert set(accepted) <= {item["connectionId"]["S"] for item in items}
