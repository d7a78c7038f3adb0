from collections.abc import Iterator
from typing import Final

from lampwork.stack.authorization import IamAuthorizer
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Function, FunctionUrl
from lampwork.template.apis.cors import read_cors
from lampwork.template.resource import Resource, Template

URL: Final = "AWS::Lambda::Url"


def read_function_urls(template: Template, functions: FunctionNames) -> tuple[FunctionUrl, ...]:
    """The addresses of functions.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    return tuple(url for each in template.of_type(URL) for url in _function_url(each, functions))


def _function_url(url: Resource, functions: FunctionNames) -> Iterator[FunctionUrl]:
    function = functions.find(url.required("TargetFunctionArn"))
    if function is None:
        url.ignore(url.type, "it leads to no function that runs here")
        return
    streams = url.text("InvokeMode") == "RESPONSE_STREAM"
    if streams:
        url.ignore("InvokeMode RESPONSE_STREAM", "the answer is sent when it is whole")
    yield FunctionUrl(
        logical_id=url.logical_id,
        url_id=url.identity.id,
        function=function.logical_id,
        # Never reached: the time-out of the function is shorter.
        timeout_seconds=function.timeout_seconds + 60,
        authorizer=IamAuthorizer() if url.text("AuthType") == "AWS_IAM" else None,
        cors=read_cors(url.section("Cors")),
        raw_answers=streams and not _streams_by_adapter(function),
    )


def _streams_by_adapter(function: Function) -> bool:
    """Whether the Lambda Web Adapter streams for it. Then the answer has a status and headers; a
    managed Python runtime streams nothing itself, and its answer is sent as it is."""
    return function.environment.get("AWS_LWA_INVOKE_MODE", "").lower() == "response_stream"
