from typing import Final, cast

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.rest_methods import (
    AWS_URI,
    Integration,
    IntegrationKind,
    IntegrationResponse,
    Passthrough,
)
from lampwork.template.source.values import Section

KINDS: Final = ("MOCK", "AWS", "HTTP", "HTTP_PROXY")
# What the embedded AWS has behind integrations of kind AWS.
SERVICES: Final = frozenset(
    {
        *("dynamodb", "events", "firehose", "kinesis", "logs", "s3", "secretsmanager", "sns"),
        *("sqs", "ssm", "states"),
    }
)
RESPONSE_HEADER: Final = "method.response.header."
REQUEST: Final = "integration.request."
# OpenAPI's name of the response without a pattern.
DEFAULT: Final = "default"


def read_integration(given: Section, functions: FunctionNames) -> Integration | None:
    """An integration as CloudFormation or OpenAPI writes it, with names in lower case. None where
    it is none that runs here: `why_not` says why.

    Raises:
        TemplateError: a value is of the wrong kind.
    """
    kind = (given.text("type") or "").upper()
    if kind not in KINDS or why_not(given, functions) is not None:
        return None
    function = functions.find(given.text("uri")) if kind == "AWS" else None
    return Integration(
        kind=cast(IntegrationKind, kind),
        uri=given.text("uri") or "",
        method=given.text("integrationhttpmethod") or given.text("httpmethod") or "",
        parameters={
            name.removeprefix(REQUEST): source
            for name, source in _texts(given.section("requestparameters")).items()
        },
        templates=_texts(given.section("requesttemplates")),
        passthrough=_passthrough(given),
        responses=tuple(_responses(given)),
        content_handling=given.text("contenthandling"),
        function=function.logical_id if function else None,
    )


def why_not(given: Section, functions: FunctionNames) -> str | None:
    """Why an integration does not run here; None where it does."""
    kind, uri = (given.text("type") or "").upper(), given.text("uri") or ""
    if kind == "AWS_PROXY":
        return "it leads to no function that runs here"
    if kind not in KINDS:
        return f"its integration is {kind.lower() or 'missing'}"
    if given.text("connectiontype") == "VPC_LINK":
        return "its integration is behind a VPC link"
    if kind == "AWS" and functions.find(uri) is None:
        service = AWS_URI.fullmatch(uri)
        if service is None or service[2] not in SERVICES:
            return f"its integration is {service[2] if service else uri or kind.lower()}"
    return None


def _passthrough(given: Section) -> Passthrough:
    written = (given.text("passthroughbehavior") or "when_no_match").upper()
    if written not in ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"):
        raise given.error(
            f"{written} is not a PassthroughBehavior; write WHEN_NO_MATCH, WHEN_NO_TEMPLATES or"
            " NEVER."
        )
    return cast(Passthrough, written)


def _responses(given: Section) -> list[IntegrationResponse]:
    """In CloudFormation a list, in OpenAPI a mapping from patterns."""
    by_pattern = given.section("responses")
    if by_pattern:
        return [
            _response(by_pattern.section(pattern), None if pattern == DEFAULT else pattern)
            for pattern in by_pattern
        ]
    each = [response.in_lower_case() for response in given.sections("integrationresponses")]
    return [_response(response, response.text("selectionpattern") or None) for response in each]


def _response(response: Section, pattern: str | None) -> IntegrationResponse:
    given = response.in_lower_case()
    return IntegrationResponse(
        status=given.integer("statuscode", 200),
        pattern=pattern,
        parameters={
            name.removeprefix(RESPONSE_HEADER): source
            for name, source in _texts(given.section("responseparameters")).items()
            if name.startswith(RESPONSE_HEADER)
        },
        templates=_texts(given.section("responsetemplates")),
        content_handling=given.text("contenthandling"),
    )


def _texts(section: Section) -> dict[str, str]:
    """A mapping of texts. A template that is null is none."""
    return {name: text for name in section if (text := section.scalar(name)) is not None}
