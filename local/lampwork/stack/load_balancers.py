"""Application Load Balancers in front of functions; `template.apis.load_balancers` reads them."""

from dataclasses import dataclass
from typing import Literal

Field = Literal[
    "path-pattern",
    "host-header",
    "http-request-method",
    "http-header",
    "query-string",
    "source-ip",
]


@dataclass(frozen=True, slots=True)
class FunctionTarget:
    """A target group with a function. With `multi_value`, events and answers have lists of
    values."""

    group_arn: str
    function: str
    multi_value: bool = False


@dataclass(frozen=True, slots=True)
class FixedResponse:
    status: int
    content_type: str = "text/plain"
    body: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Parts of an address, which may hold #{protocol}, #{host}, #{port}, #{path} and #{query} of
    the request."""

    status: int
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


Action = FunctionTarget | FixedResponse | Redirect


@dataclass(frozen=True, slots=True)
class Condition:
    """What a request must have: one of `values`, patterns with * and ?. `name` is a header's; the
    values of a query-string are pairs of a key, which may be empty, and a value."""

    field: Field
    values: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class ListenerRule:
    """Requests that meet all conditions get the action. The default rule has none."""

    action: Action
    conditions: tuple[Condition, ...] = ()

    @property
    def key(self) -> str:
        """How a list of routes names it: its path patterns."""
        paths = [each for c in self.conditions if c.field == "path-pattern" for each in c.values]
        return " ".join(paths) or ("default" if not self.conditions else "rule")


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of a load balancer, with its rules in the order in which they are tried; the
    last one is the default."""

    logical_id: str
    listener_id: str
    rules: tuple[ListenerRule, ...]

    @property
    def functions(self) -> frozenset[str]:
        return frozenset(
            rule.action.function for rule in self.rules if isinstance(rule.action, FunctionTarget)
        )
