import asyncio
import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from shared.errors import SettingsError
from shared.generators.painter.colour import Field
from shared.generators.painter.painter import Painter
from shared.generators.painter.picture import paint
from shared.generators.port import GenerationParameters, Style
from shared.generators.registry import generator
from tests.tasks import FakeGenerator

SMALL = GenerationParameters(96, 96)
NEAR_EQUAL = 0.035  # mean difference of two thumbnails, of 1; by eye, below it they look alike

PROMPTS = [
    "a red fox", "a red fax", "a red box", "a red fix", "the red fox", "a red fox.", "A red fox",
    "a red foxy", "two red foxes", "a mountain lake at night", "a mountain lake at night ",
    "a mountain lake by night", "a mountain cake at night", "the mountain lake at night",
    "night city", "city night", "city at night", "the city at night", "a city at night", "sea",
    "seal", "see", "deep sea", "space", "in space", "spice", "aurora", "aurora!", "aurora?",
    "fish", "two fish", "fog", "fogs", "snow", "snows", "sunset", "sunsets", "meadow", "meadows",
    "forest", "forests", "desert", "dessert", "x", "y", "1", "2", "", " ", "🌊", "🌋", "🦊", "雪山",
    "雪川", "a blue dream", "a blue dram",
]  # fmt: skip


async def unwatched(fraction: float) -> None:
    pass


def painted(prompt: str, parameters: GenerationParameters = SMALL) -> Field:
    picture = Picture.open(io.BytesIO(paint(prompt, parameters, lambda fraction: None)))
    thumbnail = picture.resize((32, 32), Picture.Resampling.BOX)
    return np.asarray(thumbnail, np.float32) / 255


def difference(one: Field, other: Field) -> float:
    return float(np.abs(one - other).mean())


@pytest.fixture(scope="module")
def gallery() -> dict[str, Field]:
    return {prompt: painted(prompt) for prompt in PROMPTS}


@settings(max_examples=12, deadline=None)
@given(
    width=st.integers(64, 220),
    height=st.integers(64, 220),
    style=st.sampled_from(Style),
    prompt=st.text(max_size=40),
)
def test_a_picture_has_exactly_the_requested_size(
    width: int, height: int, style: Style, prompt: str
) -> None:
    data = paint(prompt, GenerationParameters(width, height, style), lambda fraction: None)

    picture = Picture.open(io.BytesIO(data))
    picture.load()
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (width, height))


@pytest.mark.parametrize("size", [(64, 2048), (2048, 64), (64, 64), (1024, 300)])
async def test_extreme_sizes_are_painted_too(size: tuple[int, int]) -> None:
    image = await Painter().generate(
        "a lighthouse by the sea", GenerationParameters(*size), unwatched
    )

    assert Picture.open(io.BytesIO(image.data)).size == (image.width, image.height) == size
    assert image.content_type == "image/png"


@pytest.mark.parametrize("side", [63, 2049, 0, -1])
def test_a_side_out_of_range_is_refused(side: int) -> None:
    with pytest.raises(ValueError, match="64 to 2048"):
        GenerationParameters(width=side)


def test_two_processes_paint_the_same_bytes() -> None:
    script = (
        "import hashlib; from shared.generators.painter.picture import paint;"
        "from shared.generators.port import GenerationParameters;"
        "data = paint('a fox by the sea', GenerationParameters(96, 96, seed=7), lambda f: None);"
        "print(hashlib.sha256(data).hexdigest())"
    )

    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]

    assert runs[0].stdout == runs[1].stdout != ""


def test_threads_that_paint_at_once_do_not_disturb_each_other() -> None:
    prompts = ["a fox by the sea", "night city", "an abstract thought"]
    one_by_one = [paint(prompt, SMALL, lambda fraction: None) for prompt in prompts]

    with ThreadPoolExecutor(6) as pool:
        in_parallel = list(
            pool.map(lambda prompt: paint(prompt, SMALL, lambda _: None), prompts * 3)
        )

    assert in_parallel == one_by_one * 3


@pytest.mark.parametrize("prompt", ["a mountain lake at night", "a red fox", "nothing at all"])
def test_another_seed_is_another_picture(prompt: str) -> None:
    pictures = [
        painted(prompt, GenerationParameters(96, 96, seed=seed)) for seed in (None, 0, 1, 2)
    ]

    assert min(difference(*pair) for pair in combinations(pictures, 2)) > NEAR_EQUAL


def test_different_prompts_never_give_nearly_equal_pictures(
    gallery: dict[str, Field],
) -> None:
    alike = {
        pair: round(difference(gallery[pair[0]], gallery[pair[1]]), 4)
        for pair in combinations(PROMPTS, 2)
        if difference(gallery[pair[0]], gallery[pair[1]]) <= NEAR_EQUAL
    }

    assert alike == {}


@pytest.mark.parametrize("prompt", ["a mountain lake at night", "a sunflower field", "hm"])
def test_every_style_looks_different(prompt: str) -> None:
    pictures = {style: painted(prompt, GenerationParameters(192, 192, style)) for style in Style}

    alike = [
        pair
        for pair in combinations(Style, 2)
        if difference(pictures[pair[0]], pictures[pair[1]]) <= 0.02
    ]
    assert alike == []


@pytest.mark.parametrize(
    "prompt", ["a mountain lake at sunset", "coral reef", "blue dream", "galaxy"]
)
def test_a_scene_keeps_its_shape_at_any_size(prompt: str) -> None:
    small = painted(prompt, GenerationParameters(192, 192))
    large = painted(prompt, GenerationParameters(576, 576))

    assert difference(small, large) < NEAR_EQUAL


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "\0",
        "🦊🌊🌙✨",
        "word " * 400,
        "\ud800",
        "%s {0} <b>",
        "שלום עולם",
        "x" * 2000,
        "a\nb\tc",
    ],
)
def test_any_text_makes_a_picture(prompt: str) -> None:
    assert painted(prompt).std() > 0.02


def test_an_emoji_means_what_it_shows() -> None:
    night, day = painted("🌙").mean(), painted("☀").mean()

    assert night < day


async def test_progress_rises_in_many_steps_to_one() -> None:
    seen: list[float] = []

    async def watch(fraction: float) -> None:
        seen.append(fraction)

    for prompt in ("a mountain lake at night", "nothing at all"):
        seen.clear()
        await Painter().generate(prompt, SMALL, watch)

        assert len(seen) >= 8
        assert seen == sorted(set(seen))
        assert seen[0] > 0
        assert seen[-1] == 1.0


async def test_a_cancelled_picture_is_given_up_soon() -> None:
    seen: list[float] = []
    begun = asyncio.Event()

    async def watch(fraction: float) -> None:
        seen.append(fraction)
        begun.set()
        await asyncio.sleep(0)

    task = asyncio.create_task(
        Painter().generate("a city by the sea", GenerationParameters(512, 512), watch)
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    known = len(seen)
    await asyncio.get_running_loop().shutdown_default_executor()

    assert len(seen) == known < 3


async def test_a_listener_that_never_answers_does_not_hold_a_cancelled_picture() -> None:
    begun = asyncio.Event()

    async def hang(fraction: float) -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Painter().generate("x", SMALL, hang))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with asyncio.timeout(5):
        await asyncio.get_running_loop().shutdown_default_executor()


async def test_an_error_raised_by_progress_ends_the_painting() -> None:
    class LeaseLost(Exception):
        pass

    calls = 0

    async def refuse(fraction: float) -> None:
        nonlocal calls
        calls += 1
        raise LeaseLost

    with pytest.raises(LeaseLost):
        await Painter().generate("x", SMALL, refuse)

    assert calls == 1


async def test_the_loop_stays_free_while_a_picture_is_painted() -> None:
    threads = set()

    async def watch(fraction: float) -> None:
        threads.add(threading.get_ident())

    await Painter().generate("x", SMALL, watch)

    assert threads == {threading.get_ident()}


async def test_the_painter_is_chosen_by_its_url() -> None:
    image = await generator("painter://").generate("x", SMALL, unwatched)

    assert image.data == paint("x", SMALL, lambda fraction: None)


def test_a_generator_of_ones_own_is_named_by_module_and_factory() -> None:
    assert isinstance(generator("python:tests.slow_generator:from_url"), FakeGenerator)


@pytest.mark.parametrize("url", ["", "dream://key:secret@host", "painter"])
def test_an_unknown_generator_is_refused_without_repeating_the_url(url: str) -> None:
    with pytest.raises(SettingsError, match="painter://") as refusal:
        generator(url)

    assert "secret" not in str(refusal.value)


def test_the_port_loads_no_picture_library() -> None:
    script = "import sys, shared.generators.port, shared.generators.registry; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert {"numpy", "PIL"}.isdisjoint(loaded.stdout.split())
