import hmac

from shared import email_addresses
from shared.security.keys import keys


def pseudonym(email: str) -> str:
    """Stands for an address where it must not be read: the same for all its spellings, whether
    or not there is such an account, and not to be found by trying addresses without our key.

    Raises:
        ValueError: it is no address.
    """
    text = f"pseudonym\n{email_addresses.canonical(email)}"
    return hmac.digest(keys().hmac.value, text.encode(), "sha256").hex()
