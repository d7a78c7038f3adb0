import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from ipaddress import ip_network
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from lampwork.errors import TemplateError
from lampwork.stack.custom_resources import is_whole, item
from lampwork.stack.model import ACCOUNT_ID
from lampwork.template.language.identity import (
    API,
    NAME_PROPERTIES,
    PARTITION,
    RULE,
    STACK,
    URL_SUFFIX,
    Identity,
    Place,
    derived_name,
)
from lampwork.template.source.document import Document
from lampwork.template.source.values import as_text

T = TypeVar("T")
# A parameter of the Systems Manager, maybe with a version, of which there is one here.
STORED: Final = re.compile(r"\{\{resolve:ssm:([^:}]+)(?::\d+)?\}\}")
PLACEHOLDER: Final = re.compile(r"\$\{(!?)([^}]*)\}")
NO_VALUE: Final = object()
TRUE: Final = ("True", "true")
PARAMETER: Final = "AWS::SSM::Parameter"
# Attributes of AWS::SSM::Parameter that are also its properties.
OF_A_PARAMETER: Final = ("Type", "Value")
STARS: Final = "****"
OUTPUTS: Final = "Outputs."
STATES_VERSION: Final = "AWS::StepFunctions::StateMachineVersion"
STATES_ALIAS: Final = "AWS::StepFunctions::StateMachineAlias"
# The properties of an alias of a state machine that name its versions.
ROUTES: Final = ("RoutingConfiguration", "DeploymentPreference")
# The properties that name the template of a nested stack, in CloudFormation and in SAM.
LOCATIONS: Final = ("TemplateURL", "Location")


def version_of(alias: Mapping[str, object]) -> str:
    """The ARN of the first version that an alias of a state machine leads to; "" if it has none.
    `alias` holds its properties in `ROUTES`."""
    routes = alias.get("RoutingConfiguration")
    first = routes[0] if isinstance(routes, list) and routes else alias.get("DeploymentPreference")
    arn = first.get("StateMachineVersionArn") if isinstance(first, Mapping) else None
    return arn if isinstance(arn, str) else ""


class Unresolvable(Exception):
    """An expression has no value; the text says why."""


class NoExport(Unresolvable):
    """It imports what no stack exports here."""


class MissingExport(TemplateError):
    """A part of a template imports what no stack exports here. `reason` says so without naming the
    part."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Neighbours(Protocol):
    """What the stacks beside each other give each other."""

    def __contains__(self, name: Any) -> bool:
        """Whether one exports this for Fn::ImportValue."""

    def __getitem__(self, name: str) -> str:
        """What one exports."""

    def stored(self, name: str) -> str | None:
        """The value of the AWS::SSM::Parameter of this name, if one of them makes it."""


class Nested(NamedTuple):
    """A nested stack whose template is a file, as the outer stack describes it."""

    logical_id: str
    property: str  # that names the file
    file: str
    parameters: Mapping[str, str]


class Resolver:
    """Gives the intrinsic functions of one transformed template their values.

    `imports` are what other stacks export and store; `open_nested` reads the template of a nested
    one.
    """

    def __init__(
        self,
        document: Document,
        template: Mapping[str, Any],
        parameters: Mapping[str, str | list[str]],
        place: Place,
        imports: Neighbours,
        open_nested: "Callable[[Nested], Resolver] | None" = None,
    ) -> None:
        self.document = document
        self.place = place
        self.resources: Mapping[str, Mapping[str, Any]] = template["Resources"]
        self._outputs: Mapping[str, object] = template.get("Outputs") or {}
        self._open_nested = open_nested
        self._nested_stacks: dict[str, Resolver | None] = {}
        self._mappings: Mapping[str, Any] = template.get("Mappings", {})
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._imports = imports
        self._parameters = parameters
        self._values: dict[str, Any] = {**parameters, **self._pseudo_parameters()}
        self._under_way: list[str] = []
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self._condition,
            "Fn::And": lambda conditions: all(map(self._truth, conditions)),
            "Fn::Base64": lambda text: base64.b64encode(self._text(text).encode()).decode(),
            "Fn::Cidr": self._cidr,
            "Fn::Equals": self._equals,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::GetAZs": self._get_azs,
            "Fn::If": self._if,
            "Fn::ImportValue": self._import_value,
            "Fn::Join": self._join,
            "Fn::Length": lambda items: len(self._list(items)),
            "Fn::Not": lambda conditions: not self._truth(conditions[0]),
            "Fn::Or": lambda conditions: any(map(self._truth, conditions)),
            "Fn::Select": self._select,
            "Fn::Split": lambda arguments: self._text(arguments[1]).split(arguments[0]),
            "Fn::Sub": self._sub,
            "Fn::ToJsonString": lambda value: json.dumps(self._value(value)),
        }

    def resolve(self, value: object, *, of: str, property: str = "") -> Any:
        """The value with all functions in it replaced; None for AWS::NoValue.

        Raises:
            TemplateError: a function has no value; names the resource `of` and the line of its
                `property`.
        """
        with self._telling(value, of, property):
            result = self._value(value)
        return None if result is NO_VALUE else result

    def active(self, logical_id: str) -> bool:
        """Whether the condition of a resource is true.

        Raises:
            TemplateError: there is no such condition.
        """
        condition = self.resources[logical_id].get("Condition")
        return condition is None or bool(self.resolve({"Condition": condition}, of=logical_id))

    def identity(self, logical_id: str) -> Identity:
        """The names of a resource.

        Raises:
            TemplateError: its name cannot be resolved.
        """
        resource = self.resources[logical_id]
        with self._telling(resource, logical_id, NAME_PROPERTIES.get(resource["Type"], "Name")):
            return self._identity(logical_id)

    def nested(self, logical_id: str) -> "Resolver | None":
        """The template of a nested stack; None where it is not a file beside this one.

        Raises:
            TemplateError: it cannot be read, or a parameter of it cannot be resolved.
        """
        with self._telling(self.resources[logical_id], logical_id, "Parameters"):
            return self._nested(logical_id)

    def outputs(self) -> list[str]:
        """The names of the outputs whose condition is true."""
        return [
            name
            for name, declared in self._outputs.items()
            if isinstance(declared, Mapping) and self._is_there(name, declared)
        ]

    def exports(self) -> Iterator[tuple[str, str]]:
        """The outputs that other stacks may import, each with the name of the export."""
        for name in self.outputs():
            declared = self._outputs[name]
            export = declared.get("Export") if isinstance(declared, Mapping) else None
            if isinstance(export, Mapping) and "Name" in export:
                yield name, as_text(self.resolve(export["Name"], of=f"the output {name}"))

    def nested_stacks(self) -> "Iterator[Resolver]":
        """Those nested in it that are not left out.

        Raises:
            TemplateError: one cannot be read.
        """
        for logical_id, resource in self.resources.items():
            if resource["Type"] != STACK or not self._is_there(logical_id, resource):
                continue
            if nested := self.nested(logical_id):
                yield nested

    def stored(self, name: str) -> str | None:
        """The value of its AWS::SSM::Parameter of this name; None if it has none.

        Raises:
            TemplateError: the name of one has no value, or the value has none.
        """
        for logical_id, resource in self.resources.items():
            if resource["Type"] != PARAMETER or not self._is_there(logical_id, resource):
                continue
            if as_text(self.resolve({"Ref": logical_id}, of=logical_id)) == name:
                value = {"Fn::GetAtt": [logical_id, "Value"]}
                return as_text(self.resolve(value, of=logical_id))
        return None

    def output_description(self, name: str) -> str:
        declared = self._outputs[name]
        described = declared.get("Description") if isinstance(declared, Mapping) else None
        return described if isinstance(described, str) else ""

    def shown_parameters(self) -> dict[str, str]:
        """The values of the parameters as CloudFormation shows them: secret ones as stars."""
        declared = self.document.content["Parameters"]
        return {
            name: STARS if str(declared[name].get("NoEcho")).lower() == "true" else _joined(value)
            for name, value in self._parameters.items()
            if name in declared
        }

    def physical_id(self, logical_id: str) -> str:
        """What CloudFormation calls a resource: mostly what Ref gives.

        Raises:
            TemplateError: it cannot be resolved.
        """
        if self.resources[logical_id]["Type"] == STACK and (nested := self.nested(logical_id)):
            return nested.place.stack_id
        return as_text(self.resolve({"Ref": logical_id}, of=logical_id))

    def _is_there(self, name: str, declared: Mapping[str, object]) -> bool:
        condition = declared.get("Condition")
        of = f"the output {name}"
        return condition is None or bool(self.resolve({"Condition": condition}, of=of))

    def output(self, name: str) -> str:
        """The value of an output, for the outer stack.

        Raises:
            TemplateError: there is no such output, or it has no value.
        """
        declared = self._outputs.get(name)
        if not isinstance(declared, Mapping) or "Value" not in declared:
            raise self.document.error(
                "", f"the template has no output {name!r}, which the stack around it asks for."
            )
        of = f"the output {name}"
        if not self._is_there(name, declared):
            condition = declared["Condition"]
            raise self.document.error("", f"{of} is left out, since {condition} is false.")
        return as_text(self.resolve(declared["Value"], of=of))

    @contextmanager
    def _telling(self, value: object, of: str, property: str) -> Iterator[None]:
        under_way = list(self._under_way)  # another stack may ask while something is
        try:
            yield
        except NoExport as error:
            told = self.document.error(of, f"{of}: {error}", property)
            raise MissingExport(f"{told}", f"{error}") from error
        except Unresolvable as error:
            raise self.document.error(of, f"{of}: {error}", property) from error
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise self.document.error(
                of,
                f"{of}: an intrinsic function has the wrong arguments ({error!r}) in {value}.",
                property,
            ) from error
        finally:
            self._under_way[:] = under_way

    def _nested(self, logical_id: str) -> "Resolver | None":
        if logical_id not in self._nested_stacks:
            self._nested_stacks[logical_id] = self._once(
                f"{logical_id}.Outputs", lambda: self._opened(logical_id)
            )
        return self._nested_stacks[logical_id]

    def _opened(self, logical_id: str) -> "Resolver | None":
        if self._open_nested is None:
            return None
        for property in LOCATIONS:
            file = self._property(logical_id, property)
            if isinstance(file, str) and "://" not in file:
                parameters = self._nested_parameters(logical_id)
                return self._open_nested(Nested(logical_id, property, file, parameters))
        return None

    def _nested_parameters(self, logical_id: str) -> dict[str, str]:
        given = self._property(logical_id, "Parameters")
        if given is NO_VALUE:
            return {}
        if not isinstance(given, Mapping):
            raise Unresolvable(f"its Parameters must be a mapping, not {given!r}.")
        return {
            name: ",".join(map(as_text, value)) if isinstance(value, list) else as_text(value)
            for name, value in given.items()
        }

    def _pseudo_parameters(self) -> dict[str, Any]:
        region, stack = self.place.region, self.place.stack_name
        return {
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::NoValue": NO_VALUE,
            "AWS::NotificationARNs": [],
            "AWS::Partition": PARTITION,
            "AWS::Region": region,
            "AWS::StackId": self.place.stack_id,
            "AWS::StackName": stack,
            "AWS::URLSuffix": URL_SUFFIX,
        }

    def _value(self, value: object) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._value, value) if item is not NO_VALUE]
        if isinstance(value, str):
            return self._with_stored(value)
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in self._functions:
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise Unresolvable(f"Lampwork does not know {name}. Write its result instead.")
        return dict(self._present(value))

    def _with_stored(self, text: str) -> str:
        """A text in which references to SSM parameters of the stacks beside each other have their
        values; any other reference stays, since only the embedded AWS may know it."""
        if "{{resolve:ssm:" not in text:
            return text
        return STORED.sub(lambda match: self._imports.stored(match[1]) or match[0], text)

    def _present(self, mapping: Mapping[str, object]) -> Iterator[tuple[str, object]]:
        for key, value in mapping.items():
            if (resolved := self._value(value)) is not NO_VALUE:
                yield key, resolved

    def _text(self, value: object) -> str:
        resolved = self._value(value)
        if isinstance(resolved, str | int | float):
            return as_text(resolved)
        raise Unresolvable(f"{value} must be a string, not {resolved}.")

    def _list(self, value: object) -> list[Any]:
        resolved = self._value(value)
        if is_whole(resolved):  # a list, too, is known only once the resource is there
            return [resolved]
        if not isinstance(resolved, list):
            raise Unresolvable(f"{value} must be a list, not {resolved!r}.")
        return resolved

    def _truth(self, condition: object) -> bool:
        return bool(self._value(condition))

    def _ref(self, name: str) -> Any:
        if name in self._values:
            return self._value(self._values[name])  # which SSM may store for a parameter
        if self._type(name) == "AWS::Lambda::Alias":
            return self._qualified(name, self._text(self._property(name, "Name")))
        if self._type(name) == "AWS::Lambda::Version":
            return self._qualified(name, "1")
        if self._type(name) in (STATES_VERSION, STATES_ALIAS):
            return self._qualified_machine(name)
        return self._identity(name).reference

    def _qualified(self, logical_id: str, qualifier: str) -> str:
        function = self._text(self._property(logical_id, "FunctionName"))
        if function.startswith("arn:"):
            return f"{function}:{qualifier}"
        region = self.place.region
        return f"arn:{PARTITION}:lambda:{region}:{ACCOUNT_ID}:function:{function}:{qualifier}"

    def _qualified_machine(self, logical_id: str) -> str:
        """The ARN of a version or an alias of a state machine."""
        if self._type(logical_id) == STATES_VERSION:
            return self._text(self._property(logical_id, "StateMachineArn")) + ":1"
        version = version_of({name: self._property(logical_id, name) for name in ROUTES})
        name = self._text(self._property(logical_id, "Name"))
        return f"{version.rpartition(':')[0]}:{name}"

    def _get_att(self, argument: Any) -> str:
        path = argument.split(".") if isinstance(argument, str) else argument
        logical_id, attribute = path[0], ".".join(map(self._text, path[1:]))
        if attribute == "Arn" and self._type(logical_id) in (STATES_VERSION, STATES_ALIAS):
            return self._qualified_machine(logical_id)
        if self._type(logical_id) == PARAMETER and attribute in OF_A_PARAMETER:
            return self._once(
                f"{logical_id}.{attribute}",
                lambda: self._text(self._property(logical_id, attribute)),
            )
        is_output = self._type(logical_id) == STACK and attribute.startswith(OUTPUTS)
        if is_output and (nested := self._nested(logical_id)):
            return nested.output(attribute.removeprefix(OUTPUTS))
        value = self._identity(logical_id).attribute(attribute)
        if value is None:
            raise Unresolvable(f"{self._type(logical_id)} has no attribute {attribute}.")
        return value

    def _identity(self, logical_id: str) -> Identity:
        type = self._type(logical_id)
        return Identity(
            logical_id=logical_id,
            type=type,
            name=self._once(logical_id, lambda: self._name(logical_id, type)),
            place=self.place,
            web_socket=type == API and self._property(logical_id, "ProtocolType") == "WEBSOCKET",
            bus=self._bus(logical_id) if type == RULE else None,
        )

    def _bus(self, rule: str) -> str | None:
        """The event bus of a rule, if it is not the default one. It is given by name or ARN."""
        given = self._property(rule, "EventBusName")
        name = "default" if given is NO_VALUE else as_text(given).rpartition("/")[2]
        return None if name == "default" else name

    def _type(self, logical_id: str) -> str:
        if logical_id in self.document.content["Parameters"]:
            raise Unresolvable(self._lacking(logical_id))
        if logical_id not in self.resources:
            meant = get_close_matches(logical_id, [*self.resources, *self._values], 1)
            hint = f"; {meant[0]} may be meant" if meant else ""
            raise Unresolvable(
                f"the template has no parameter and no resource {logical_id!r}{hint}."
            )
        condition = self.resources[logical_id].get("Condition")
        if condition is not None and not self._condition(condition):
            raise Unresolvable(f"{logical_id} is left out, since {condition} is false.")
        return str(self.resources[logical_id]["Type"])

    def _lacking(self, parameter: str) -> str:
        declared = self.document.content["Parameters"]
        pasted = " ".join(f"{name}=…" for name in declared if name not in self._values)
        return (
            f"the parameter {parameter} has neither a value nor a default; give it one:"
            f" --parameter-overrides {pasted}"
        )

    def _name(self, logical_id: str, type: str) -> str:
        given = self._property(logical_id, NAME_PROPERTIES.get(type, "Name"))
        if isinstance(given, str | int):
            return str(given)
        fifo = type == "AWS::SQS::Queue" and self._property(logical_id, "FifoQueue")
        return derived_name(self.place.stack_name, logical_id, type, fifo=str(fifo) in TRUE)

    def _property(self, logical_id: str, name: str) -> object:
        return self._value(self.resources[logical_id].get("Properties", {}).get(name, NO_VALUE))

    def _once(self, name: str, resolve: Callable[[], T]) -> T:
        if name in self._under_way:
            raise Unresolvable(f"{' → '.join([*self._under_way, name])} lead in a circle.")
        self._under_way.append(name)
        result = resolve()
        self._under_way.pop()
        return result

    def _condition(self, name: str) -> bool:
        if name not in self._conditions:
            raise Unresolvable(f"the template has no condition {name!r}.")
        return bool(self._once(name, lambda: self._truth(self._conditions[name])))

    def _equals(self, pair: list[Any]) -> bool:
        first, second = map(self._value, pair)
        return as_text(first) == as_text(second)

    def _if(self, arguments: list[Any]) -> Any:
        condition, then, otherwise = arguments
        return self._value(then if self._condition(condition) else otherwise)

    def _find_in_map(self, arguments: list[Any]) -> Any:
        name, first, second = map(self._text, arguments[:3])
        try:
            return self._mappings[name][first][second]
        except KeyError:
            if len(arguments) > 3:
                return self._value(arguments[3]["DefaultValue"])
            raise Unresolvable(f"the template has no mapping {name}.{first}.{second}.") from None

    def _cidr(self, arguments: list[Any]) -> list[str]:
        """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-cidr.html"""
        block, count, host_bits = map(self._text, arguments)
        network = ip_network(block)
        subnets = network.subnets(new_prefix=network.max_prefixlen - int(host_bits))
        return [str(each) for each in islice(subnets, int(count))]

    def _get_azs(self, region: object) -> list[str]:
        name = self._text(region) or self.place.region
        return [f"{name}{zone}" for zone in "abc"]

    def _import_value(self, argument: object) -> str:
        name = self._text(argument)
        if name not in self._imports:
            raise NoExport(
                f"no other stack exports {name!r} here; give it with --parameter {name}=…"
            )
        return self._imports[name]

    def _join(self, arguments: list[Any]) -> str:
        separator, items = arguments
        return str(separator).join(map(self._text, self._list(items)))

    def _select(self, arguments: list[Any]) -> Any:
        index, chosen = int(self._text(arguments[0])), self._value(arguments[1])
        if is_whole(chosen):
            return item(chosen, index)
        items = self._list(chosen)
        if not 0 <= index < len(items):
            raise Unresolvable(f"Fn::Select has no item {index} in {items}.")
        return items[index]

    def _sub(self, argument: Any) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else argument
        return PLACEHOLDER.sub(lambda match: self._placeholder(match, local), text)

    def _placeholder(self, match: re.Match[str], local: Mapping[str, object]) -> str:
        literal, name = match.groups()
        name = name.strip()
        if literal:
            return f"${{{name}}}"
        if name in local:
            return self._text(local[name])
        return self._text({"Fn::GetAtt": name} if "." in name else {"Ref": name})


def _joined(value: str | list[str]) -> str:
    return ",".join(value) if isinstance(value, list) else value
