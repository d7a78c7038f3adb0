class Refused(Exception):
    """The caller may not. `challenge` is the WWW-Authenticate that says why, if one does."""

    def __init__(self, challenge: str | None = None) -> None:
        super().__init__(challenge)
        self.challenge = challenge


class Unauthenticated(Refused):
    """Who calls is not known."""


class Denied(Refused):
    """Who calls is known and may not; `explicit` where a policy says Deny."""

    def __init__(self, challenge: str | None = None, *, explicit: bool = False) -> None:
        super().__init__(challenge)
        self.explicit = explicit


class AuthorizerFailed(Exception):
    """The authorizer itself failed: an error, a time-out or an answer of no known form."""
