import re

WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?', re.IGNORECASE)


def wait_seconds(prefer: str | None) -> int | None:
    """How long a Prefer header asks the answer to wait (RFC 7240, section 4.3).

    None if it does not say, or is malformed: a preference is never an error.
    """
    for preference in (prefer or "").split(","):
        if found := WAIT.fullmatch(preference.partition(";")[0].strip()):
            return int(found[1])
    return None
