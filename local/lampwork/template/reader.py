from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from lampwork.config.stack_files import StackFile
from lampwork.errors import TemplateError
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import CloudResource, Stack, Trigger
from lampwork.template.apis.function_urls import read_function_urls
from lampwork.template.apis.http import read_http_apis
from lampwork.template.apis.load_balancers import read_load_balancers
from lampwork.template.apis.rest import read_rest_apis
from lampwork.template.apis.websocket import read_web_socket_apis
from lampwork.template.cloud_resources import read_resources
from lampwork.template.custom_resources import read_custom_resources
from lampwork.template.deployed_stacks import read_deployed_stacks
from lampwork.template.functions import read_functions
from lampwork.template.language.exports import Exports
from lampwork.template.language.identity import STACK, Place
from lampwork.template.language.opening import Opener
from lampwork.template.language.parameters import imported
from lampwork.template.permissions import read_arns, read_permissions
from lampwork.template.resource import Resource, Template
from lampwork.template.source.coverage import RUN, SUPPORT
from lampwork.template.source.document import Document, read_document
from lampwork.template.source.properties import coverage_of
from lampwork.template.streams.mappings import is_disabled
from lampwork.template.triggers import read_queues

DOMAIN_NAMES: Final = ("AWS::ApiGateway::DomainName", "AWS::ApiGatewayV2::DomainName")
MAPPING: Final = "AWS::Lambda::EventSourceMapping"


class TriggerReader(Protocol):
    """A source of events, which reads its triggers in a template."""

    def read(self, template: Template, functions: FunctionNames) -> Iterable[Trigger]: ...

    def resources(self, triggers: Sequence[Trigger]) -> Iterable[CloudResource]: ...


def read_stack(
    path: Path,
    *,
    parameters: Mapping[str, str],
    spare: Collection[str] = (),
    region: str,
    cache_dir: Path,
    queue_url_base: str,
    stack_name: str,
    sources: Iterable[TriggerReader] = (),
    stacks: Sequence[StackFile] = (),
) -> Stack:
    """What a SAM or CloudFormation template describes, with all intrinsic functions resolved.

    Args:
        parameters: also the exports of other stacks that Fn::ImportValue asks for.
        spare: those of them that the template need not have: SAM passes over what its
            configuration gives beyond.
        queue_url_base: what a queue's URL starts with, without account and name.
        sources: what wakes functions, each of which reads its own triggers.
        stacks: the templates of several stacks beside each other, in place of the one at `path`
            with the name `stack_name`. Logical ids begin with the names of the stacks then.

    Raises:
        TemplateError: the template cannot be read, or AWS would refuse it; says where and why.
    """
    files = stacks or (StackFile(stack_name, path),)
    documents = [read_document(each.template) for each in files]
    exports = Exports(_given_exports(documents, parameters))
    resolvers = []
    for file, document in zip(files, documents, strict=True):
        place = Place(region, file.name, queue_url_base, f"{file.name}/" if stacks else "")
        own = _own_parameters(document, documents, {**file.parameters, **parameters}, spare)
        resolvers.append(Opener(place, exports, cache_dir).open(document, own))
        exports.add(resolvers[-1])
    return _stack(Template(resolvers, cache_dir), sources)


def _given_exports(documents: Sequence[Document], parameters: Mapping[str, str]) -> dict[str, str]:
    """The given values that are a parameter of none of the templates."""
    given = [imported(document, parameters) for document in documents]
    declared = {name for document in documents for name in document.content["Parameters"]}
    return {name: value for each in given for name, value in each.items() if name not in declared}


def _own_parameters(
    document: Document,
    documents: Sequence[Document],
    given: Mapping[str, str],
    spare: Collection[str],
) -> dict[str, str]:
    """The given parameters that are for one of the templates. One that none of them has is the
    first one's, which refuses it."""
    elsewhere = {
        name for other in documents if other is not document for name in other.content["Parameters"]
    }
    exports = _given_exports(documents, given)
    declared = document.content["Parameters"]
    return {
        name: value
        for name, value in given.items()
        if name in declared or (name not in exports and name not in spare and name not in elsewhere)
    }


def _stack(template: Template, sources: Iterable[TriggerReader]) -> Stack:
    functions = read_functions(template)
    names = FunctionNames(functions)
    triggers, resources = _read_triggers(template, names, sources)
    stack = Stack(
        functions=functions,
        http_apis=read_http_apis(template, names),
        websocket_apis=read_web_socket_apis(template, names),
        rest_apis=read_rest_apis(template, names),
        function_urls=read_function_urls(template, names),
        load_balancers=read_load_balancers(template, names),
        queues=read_queues(template),
        triggers=triggers,
        resources=(*read_resources(template), *resources),
        custom_resources=read_custom_resources(template, names),
        deployed=read_deployed_stacks(template),
        domains=tuple(_domains(template)),
        permissions=read_permissions(template, functions),
        arns=read_arns(template),
    )
    _ignore_the_rest(template)
    _ignore_properties(template)
    return replace(
        stack,
        ignored=tuple(template.ignored),
        warnings=tuple(template.warnings),
        files=tuple(template.files),
    )


def _domains(template: Template) -> Iterator[str]:
    """The custom domain names of APIs, as far as they have a value here."""
    for resource in template:
        if resource.type in DOMAIN_NAMES:
            with suppress(TemplateError):
                yield str(resource.get("DomainName"))


def _read_triggers(
    template: Template, names: FunctionNames, sources: Iterable[TriggerReader]
) -> tuple[tuple[Trigger, ...], list[CloudResource]]:
    """All triggers, and the resources that they need."""
    triggers: list[Trigger] = []
    resources: list[CloudResource] = []
    for source in sources:
        found = tuple(source.read(template, names))
        triggers += found
        resources += source.resources(found)
    return tuple(triggers), resources


def _ignore_the_rest(template: Template) -> None:
    for resource in template:
        if resource.type == STACK:
            if resource.nested is None:
                reason = "its template is not a file here; name one as its Location"
                resource.ignore(resource.written_type, reason)
        elif resource.logical_id in template.claimed:
            continue
        elif resource.type == MAPPING:
            if not is_disabled(resource):
                source = resource.text("EventSourceArn")
                resource.ignore(resource.type, f"its source is {source or 'no queue'}")
        elif resource.type not in RUN and not resource.type.startswith(SUPPORT):
            resource.ignore(resource.written_type)
        elif resource.type == "AWS::Lambda::Permission" and _is_for_alexa(resource):
            resource.ignore(resource.type, "Alexa calls nothing here")


def _ignore_properties(template: Template) -> None:
    """Name the properties that have no effect here but would have one on AWS."""
    left_out = {(each.logical_id, each.type) for each in template.ignored}
    for resource in template:
        known = coverage_of(resource.type)
        whole = {(resource.logical_id, each) for each in (resource.type, resource.written_type)}
        if known is None or whole & left_out:
            continue
        for name in resource.set_properties():
            heeded = (resource.logical_id, name) in template.heeded
            if not heeded and (reason := known.lack(name)):
                resource.ignore(name, reason)


def _is_for_alexa(permission: Resource) -> bool:
    """An AlexaSkill event becomes nothing but this permission."""
    return str(permission.get("Principal")).startswith("alexa-")
