"""The CORS headers and answers of a gateway whose template has CORS settings.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.authorization import Cors

PREFIX = "access-control-"


class CrossOrigin:
    """Answers preflight requests and adds the CORS headers to all other answers."""

    def __init__(self, cors: Cors, *, preflight_status: int = 204) -> None:
        self._cors = cors
        self._preflight_status = preflight_status
        self._preflight = _headers(
            ("allow-methods", ",".join(cors.allow_methods)),
            ("allow-headers", ",".join(cors.allow_headers)),
            ("max-age", "" if cors.max_age is None else str(cors.max_age)),
        )
        self._always = _headers(
            ("allow-credentials", "true" if cors.allow_credentials else ""),
            ("expose-headers", ",".join(cors.expose_headers)),
        )

    def preflight(self, request: Request) -> Response | None:
        """The answer to a preflight request; None if the request is not one."""
        if request.method != "OPTIONS" or not request.header(PREFIX + "request-method"):
            return None
        origin = self._allowed(request.header("origin"))
        if origin is None:
            return Response(self._preflight_status, [])
        headers = [(PREFIX + "allow-origin", origin), *self._preflight, *self._always]
        return Response(self._preflight_status, headers)

    def apply(self, request: Request, response: Response) -> Response:
        """The same response, with the CORS headers of the template instead of the function's."""
        response.headers = [
            (name, value) for name, value in response.headers if not name.lower().startswith(PREFIX)
        ]
        origin = self._allowed(request.header("origin"))
        if origin is not None:
            response.headers += [(PREFIX + "allow-origin", origin), *self._always]
        return response

    def _allowed(self, origin: str | None) -> str | None:
        if origin is None:
            return None
        for each in self._cors.allow_origins:
            if each == "*":
                return origin if self._cors.allow_credentials else "*"
            if each.lower() == origin.lower():
                return origin
            if each.endswith("://*") and origin.startswith(each[:-1]):
                return origin
        return None


def _headers(*pairs: tuple[str, str]) -> list[tuple[str, str]]:
    return [(PREFIX + name, value) for name, value in pairs if value]
