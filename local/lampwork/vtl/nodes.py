"""What a template consists of once it is parsed."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text without references, true, false or null."""

    value: object


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A text in double quotes, which may hold references and directives."""

    parts: "Block"


@dataclass(frozen=True, slots=True)
class ListOf:
    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class RangeOf:
    first: "Expression"
    last: "Expression"


@dataclass(frozen=True, slots=True)
class MapOf:
    items: "tuple[tuple[Expression, Expression], ...]"


@dataclass(frozen=True, slots=True)
class Property:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Index:
    key: "Expression"


@dataclass(frozen=True, slots=True)
class Reference:
    """$name, and what is read of it: $name.property.method(…)[…]."""

    name: str
    steps: "tuple[Property | Call | Index, ...]" = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """`operator` is the symbol: && for `and`, == for `eq`."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Unary:
    operator: Literal["!", "-"]
    operand: "Expression"


Expression = Constant | Interpolated | ListOf | RangeOf | MapOf | Reference | Operation | Unary


@dataclass(frozen=True, slots=True)
class Set:
    target: Reference
    value: Expression


@dataclass(frozen=True, slots=True)
class If:
    """The branches, of which the first whose condition is true is rendered. The last one's
    condition may be None: #else."""

    branches: "tuple[tuple[Expression | None, Block], ...]"


@dataclass(frozen=True, slots=True)
class ForEach:
    variable: str
    items: Expression
    body: "Block"


@dataclass(frozen=True, slots=True)
class Define:
    variable: str
    body: "Block"


@dataclass(frozen=True, slots=True)
class Macro:
    name: str
    parameters: tuple[str, ...]
    body: "Block"


@dataclass(frozen=True, slots=True)
class MacroCall:
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """#break ends the innermost loop, #stop the template."""

    what: Literal["break", "stop"]


Node = Text | Reference | Set | If | ForEach | Define | Macro | MacroCall | Leave
Block = tuple[Node, ...]
