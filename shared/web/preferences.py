import re

WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?', re.IGNORECASE)


def wait_seconds(prefer: str | None) -> int | None:
    """How long a Prefer header would have the answer wait (RFC 7240, section 4.3).

    None where it does not say, or not in a way that can be read: a preference is never an error.
    """
    for preference in (prefer or "").split(","):
        if found := WAIT.fullmatch(preference.partition(";")[0].strip()):
            return int(found[1])
    return None
