import hmac

from shared import email_addresses
from shared.security.keys import keys


def pseudonym(email: str) -> str:
    """A name for an e-mail address where the address must not appear. It is the same for all
    spellings, exists for unknown addresses too, and cannot be found by trying addresses without our
    key.

    Raises:
        ValueError: it is not an address.
    """
    text = f"pseudonym\n{email_addresses.canonical(email)}"
    return hmac.digest(keys().hmac.value, text.encode(), "sha256").hex()
