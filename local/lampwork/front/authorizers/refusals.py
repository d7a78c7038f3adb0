class Refused(Exception):
    """The caller may not do this. `challenge` is the value of WWW-Authenticate, if there is one."""

    def __init__(self, challenge: str | None = None) -> None:
        super().__init__(challenge)
        self.challenge = challenge


class Unauthenticated(Refused):
    """The caller is not known."""


class Denied(Refused):
    """The caller is known but not allowed. `explicit` is true if a policy says Deny."""

    def __init__(self, challenge: str | None = None, *, explicit: bool = False) -> None:
        super().__init__(challenge)
        self.explicit = explicit


class AuthorizerFailed(Exception):
    """The authorizer itself failed: an error, a timeout, or an answer of unknown form."""
