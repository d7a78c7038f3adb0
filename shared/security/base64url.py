import base64
import binascii


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of canonical base64url, which has exactly one text for each value.

    Raises:
        ValueError: padding, foreign characters, or unused bits that are not zero.
    """
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("This is not base64url.") from None
    if encode(data) != text:
        raise ValueError("This base64url text is not canonical.")
    return data
