import asyncio
import io

import pytest
from PIL import Image

from tests.e2e.queues import over_each_queue

pytestmark = over_each_queue


async def paint(person, prompt: str, **parameters) -> bytes:
    task = await asyncio.to_thread(person.submit, prompt, **parameters)
    frames = await person.watch(task["id"])
    assert frames[-1]["status"] == "completed"
    return await asyncio.to_thread(person.picture, task["id"])


@pytest.mark.parametrize(("width", "height"), [(64, 64), (300, 177), (512, 768)])
async def test_the_picture_is_a_png_of_exactly_the_requested_size(ada, width, height):
    picture = await paint(ada, "a mountain lake", width=width, height=height)

    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.size) == ("PNG", (width, height))


async def test_prompt_and_seed_determine_every_byte(ada):
    size = {"width": 128, "height": 128}

    picture = await paint(ada, "a mountain lake", seed=7, **size)

    assert await paint(ada, "a mountain lake", seed=7, **size) == picture
    assert await paint(ada, "a mountain lake", seed=8, **size) != picture


async def test_nobody_can_fetch_another_persons_picture(ada, bob):
    task = await asyncio.to_thread(ada.submit, "a diary", width=64, height=64)
    await ada.watch(task["id"])

    for path in (
        f"/tasks/{task['id']}",
        f"/tasks/{task['id']}/result",
        f"/tasks/{task['id']}/thumbnails/320",
    ):
        answer = await asyncio.to_thread(bob.client.get, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "task_not_found")
