import struct
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from shared.generators.port import Image

if TYPE_CHECKING:
    from PIL import Image as Picture

# What a wall shows at 256 CSS pixels, on plain screens and on dense ones.
THUMBNAIL_WIDTHS = (320, 640)
WEBP_QUALITY = 70
WEBP_METHOD = 4  # of 0 (fast) to 6 (small)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
IHDR = struct.Struct(">I4sII")  # length, type, width, height: the first chunk of every PNG


def is_png_of(image: Image, *, width: int, height: int) -> bool:
    """Whether the image is a PNG whose own header names this size."""
    if image.content_type != "image/png" or not image.data.startswith(PNG_SIGNATURE):
        return False
    header = image.data[len(PNG_SIGNATURE) :][: IHDR.size]
    return len(header) == IHDR.size and IHDR.unpack(header)[1:] == (b"IHDR", width, height)


def thumbnails_of(image: Image) -> Mapping[int, bytes]:
    """The picture as WebP, by width in pixels; none that is as wide as the picture itself. A
    picture that cannot be read has none."""
    from PIL import Image as Picture  # only painting has this package

    widths = [width for width in THUMBNAIL_WIDTHS if width < image.width]
    if not widths:
        return {}
    try:
        with Picture.open(BytesIO(image.data), formats=["PNG"]) as opened:
            whole = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError):
        return {}
    return {width: _webp(whole, width) for width in widths}


def _webp(whole: "Picture.Image", width: int) -> bytes:
    height = max(1, round(whole.height * width / whole.width))
    file = BytesIO()
    small = whole.resize((width, height), reducing_gap=2.0)
    small.save(file, "WEBP", quality=WEBP_QUALITY, method=WEBP_METHOD)
    return file.getvalue()
