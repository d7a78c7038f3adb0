from typing import NamedTuple


class Need(NamedTuple):
    """An action of IAM that a request needs, and the ARN of what it is for; "" if that is not
    known, or if the action has no resources."""

    action: str
    resource: str = ""
