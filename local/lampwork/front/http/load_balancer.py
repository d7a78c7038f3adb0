import logging
import re
from collections.abc import Callable
from fnmatch import translate
from ipaddress import ip_address, ip_network
from typing import Final

from lampwork.errors import LampworkError
from lampwork.events.http_api import MalformedResponse
from lampwork.events.identifiers import http_date
from lampwork.events.load_balancer import MAX_SIZE, load_balancer_event, load_balancer_response
from lampwork.http.hosts import host_of
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.invocation.port import Invoker
from lampwork.invocation.timed_call import EventTooLarge, IntegrationTimeout, call
from lampwork.stack.load_balancers import (
    Condition,
    FixedResponse,
    FunctionTarget,
    Listener,
    ListenerRule,
    Redirect,
)
from lampwork.stack.model import HttpRoute
from lampwork.stack.router import Match

logger = logging.getLogger(__name__)

# Never reached: a function's own time-out is shorter.
TIMEOUT_SECONDS: Final = 16 * 60
REASONS: Final = {
    413: "Request Entity Too Large",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
}
Meets = Callable[[Request], bool]


class LoadBalancerGateway:
    """Serves one listener of an Application Load Balancer.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
    """

    def __init__(self, listener: Listener, invoker: Invoker) -> None:
        self._listener = listener
        self._invoker = invoker
        self._rules = [
            (rule, [_compiled(each) for each in rule.conditions]) for rule in listener.rules
        ]
        self._matches = {
            id(rule): Match(HttpRoute("ANY", rule.key, rule.action.function, TIMEOUT_SECONDS))
            for rule in listener.rules
            if isinstance(rule.action, FunctionTarget)
        }
        self._targets = {
            id(self._matches[id(rule)].route): rule.action
            for rule in listener.rules
            if isinstance(rule.action, FunctionTarget)
        }

    @property
    def api_id(self) -> str:
        return self._listener.listener_id

    def match(self, request: Request) -> Match | Response:
        rule = self._rule(request)
        if rule is None:
            return _own(503)
        match rule.action:
            case FunctionTarget():
                return self._matches[id(rule)]
            case FixedResponse(status, content_type, body):
                return Response(status, [("content-type", content_type)], body.encode())
            case Redirect():
                return _redirected(rule.action, request)

    async def serve(self, request: Request, match: Match) -> Response:
        target = self._targets[id(match.route)]
        if len(request.body) > MAX_SIZE:
            return _own(413)
        event = load_balancer_event(request, target)
        try:
            invocation = await call(self._invoker, target.function, event, TIMEOUT_SECONDS)
            if invocation.function_error:  # the function's log already shows the error
                return _own(502)
            return load_balancer_response(invocation.payload, multi_value=target.multi_value)
        except (EventTooLarge, IntegrationTimeout, LampworkError, MalformedResponse) as error:
            logger.warning(
                "the load balancer answers instead of its function",
                extra={"function": target.function, "reason": str(error)},
            )
            return _own(502)

    def _rule(self, request: Request) -> ListenerRule | None:
        for rule, conditions in self._rules:
            if all(meets(request) for meets in conditions):
                return rule
        return None


def _own(status: int) -> Response:
    """An error of the load balancer itself, as it writes them."""
    title = f"{status} {REASONS[status]}"
    lines = (
        *("<html>", f"<head><title>{title}</title></head>", "<body>"),
        *(f"<center><h1>{title}</h1></center>", "</body>", "</html>", ""),
    )
    headers = [
        *(("Server", "awselb/2.0"), ("Date", http_date())),
        ("Content-Type", "text/html"),
    ]
    return Response(status, headers, "\r\n".join(lines).encode())


def _redirected(redirect: Redirect, request: Request) -> Response:
    host, _, port = (request.header("host") or "localhost").partition(":")
    values = {
        "protocol": "HTTPS" if request.secure else "HTTP",
        "host": host,
        "port": port or ("443" if request.secure else "80"),
        "path": request.path.removeprefix("/"),
        "query": request.query,
    }

    def filled(text: str) -> str:
        return re.sub(r"#\{(\w+)\}", lambda found: values.get(found[1], ""), text)

    address = f"{filled(redirect.protocol).lower()}://{filled(redirect.host)}"
    address += f":{filled(redirect.port)}{filled(redirect.path)}"
    if query := filled(redirect.query):
        address += f"?{query}"
    return Response(redirect.status, [("Location", address), ("content-type", "text/html")])


def _compiled(condition: Condition) -> Meets:
    """Whether a request meets a condition.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
    """
    patterns = [_pattern(each) for each in condition.values]
    match condition.field:
        case "path-pattern":
            exact = [_pattern(each, case_sensitive=True) for each in condition.values]
            return lambda request: any(each.fullmatch(request.path) for each in exact)
        case "host-header":
            return lambda request: any(
                each.fullmatch(host_of(request.header("host") or "")) for each in patterns
            )
        case "http-request-method":
            return lambda request: request.method in condition.values
        case "http-header":
            return lambda request: any(
                each.fullmatch(value)
                for each in patterns
                for name, value in request.headers
                if name.lower() == condition.name
            )
        case "query-string":
            return _query(condition)
        case "source-ip":
            networks = [ip_network(each, strict=False) for each in condition.values]
            return lambda request: any(ip_address(request.peer[0]) in each for each in networks)


def _query(condition: Condition) -> Meets:
    wanted = [(_pattern(key) if key else None, _pattern(value)) for key, value in condition.pairs]

    def meets(request: Request) -> bool:
        pairs = [each.partition("=") for each in request.query.split("&")]
        return any(
            (key is None or key.fullmatch(name)) and value.fullmatch(given)
            for key, value in wanted
            for name, _, given in pairs
        )

    return meets


def _pattern(text: str, *, case_sensitive: bool = False) -> re.Pattern[str]:
    """A pattern in which * stands for any characters and ? for one."""
    # fnmatch knows sets of characters in brackets too, which a load balancer does not.
    expression = translate(re.sub(r"\[", "[[]", text))
    return re.compile(expression, 0 if case_sensitive else re.IGNORECASE)
