"""The encoding of the files that users write."""

import codecs

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(content: bytes) -> str:
    """A file's text, without the byte order mark with which editors of Windows begin it.

    Raises:
        ValueError: it is not in UTF-8; says what to do.
    """
    if content.startswith(UTF_16):
        raise ValueError("it is in UTF-16, as PowerShell's > writes it; save it in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8: {error}") from error
