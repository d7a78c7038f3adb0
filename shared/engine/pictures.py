import struct

from shared.generators.port import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
IHDR = struct.Struct(">I4sII")  # length, type, width, height: the first chunk of every PNG


def is_png_of(image: Image, *, width: int, height: int) -> bool:
    """Whether the image is a PNG whose own header names this size."""
    if image.content_type != "image/png" or not image.data.startswith(PNG_SIGNATURE):
        return False
    header = image.data[len(PNG_SIGNATURE) :][: IHDR.size]
    return len(header) == IHDR.size and IHDR.unpack(header)[1:] == (b"IHDR", width, height)
