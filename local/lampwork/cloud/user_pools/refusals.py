class Refused(Exception):
    """Cognito answers with status 400: the error's code and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Unchanged(Exception):
    """moto's own answer goes to the caller as it is; it is an error."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body
