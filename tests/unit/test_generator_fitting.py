import asyncio
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pictures

from shared.generators.fitting import fit
from shared.generators.port import GenerationFailed, Image
from tests.providers import picture_file

FILES = {kind: picture_file(96, 64, kind) for kind in ("PNG", "JPEG", "WEBP")}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(FILES)),
    damage=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
    length=st.integers(0, 2000),
)
async def test_a_damaged_file_is_either_refused_or_still_a_picture(kind, damage, length):
    file = bytearray(FILES[kind])
    for place, value in damage:
        file[place % len(file)] = value

    outcome = await asyncio.gather(fit(bytes(file[:length]), 64, 64), return_exceptions=True)

    match outcome:
        case [GenerationFailed() as refused]:
            assert refused.code == "invalid_output"
        case [Image() as image]:
            assert Pictures.open(io.BytesIO(image.data)).size == (64, 64)
        case _:
            raise AssertionError(outcome)


async def test_metadata_of_a_file_is_dropped():
    file = io.BytesIO()
    exif = Pictures.Exif()
    exif[0x010E] = "a very private prompt"
    Pictures.new("RGB", (64, 64)).save(file, "PNG", exif=exif)
    assert b"private" in file.getvalue()

    image = await fit(file.getvalue(), 64, 64)

    assert b"private" not in image.data


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
async def test_pictures_in_every_pixel_format_are_accepted(mode):
    file = io.BytesIO()
    Pictures.new(mode, (32, 32)).save(file, "PNG")

    image = await fit(file.getvalue(), 64, 64)

    assert Pictures.open(io.BytesIO(image.data)).mode in {"RGB", "RGBA"}
