from collections.abc import Iterator
from typing import Final

from lampwork.stack.authorization import IamAuthorizer
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import FunctionUrl
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
    yield FunctionUrl(
        logical_id=url.logical_id,
        url_id=url.identity.id,
        function=function.logical_id,
        # Never reached: the time-out of the function is shorter.
        timeout_seconds=function.timeout_seconds + 60,
        authorizer=IamAuthorizer() if url.text("AuthType") == "AWS_IAM" else None,
        cors=read_cors(url.section("Cors")),
        streams=url.text("InvokeMode") == "RESPONSE_STREAM",
    )
