"""AWS's own runtime client, awslambdaric, with another extension below it.

It is loaded in a function's process alone: it reads the address of its Runtime API when it is.
"""

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final, Protocol, cast

from lampwork.seams import Seam

AWSLAMBDARIC: Final = Seam(
    package="awslambdaric",
    floor="4.1",
    ceiling="5",
    calls=(
        "awslambdaric.bootstrap.run(handler, lambda_runtime_client)",
        "awslambdaric.lambda_config.LambdaConfigProvider(args)",
        "awslambdaric.lambda_config.LambdaConfigProvider.api_address",
        "awslambdaric.lambda_config.LambdaConfigProvider.use_thread_polling",
        "awslambdaric.lambda_runtime_client.LambdaRuntimeClient(lambda_runtime_address,"
        " use_thread_for_polling_next)",
        "awslambdaric.lambda_runtime_marshaller.to_json(obj)",
    ),
    replaces=(
        "awslambdaric.lambda_runtime_client.LambdaRuntimeClient.call_rapid(self, http_method,"
        " endpoint, expected_http_code, payload, headers)",
        # These call the extension: what they have to give it is what it is given.
        "awslambdaric.lambda_runtime_client.LambdaRuntimeClient.post_invocation_result(self,"
        " invoke_id, result_data, content_type, invocation_id)",
        "awslambdaric.lambda_runtime_client.LambdaRuntimeClient.post_invocation_error(self,"
        " invoke_id, error_response_data, xray_fault, invocation_id)",
    ),
)


class Extension(Protocol):
    """What awslambdaric calls of `runtime_client`, a C++ extension that speaks HTTP."""

    def initialize_client(self, user_agent: str, /) -> None: ...

    def next(self) -> tuple[bytes, dict[str, str | int]]: ...

    def post_invocation_result(
        self, request_id: str, result: bytes, content_type: str, invocation_id: str | None, /
    ) -> None: ...

    def post_error(
        self, request_id: str, error: str, xray_fault: str, invocation_id: str | None, /
    ) -> None: ...


def load(extension: Extension, init_failed: Callable[[bytes], None]) -> Callable[[str], None]:
    """Import awslambdaric above this extension; `init_failed` takes the error of a failed init.

    What is returned loads a function, by its handler's name, and serves requests until the process
    ends.

    Raises:
        UnknownVersion: it is not as it is known here.
    """
    sys.modules["runtime_client"] = cast(ModuleType, extension)
    AWSLAMBDARIC.check()
    from awslambdaric import bootstrap
    from awslambdaric.lambda_config import LambdaConfigProvider
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient
    from awslambdaric.lambda_runtime_marshaller import to_json

    class RuntimeClient(LambdaRuntimeClient):  # type: ignore[misc]
        def call_rapid(
            self,
            http_method: str,
            endpoint: str,
            expected_http_code: int,
            payload: Any = None,
            headers: Mapping[str, str] | None = None,
        ) -> None:
            """Only a failed init is told this way."""
            init_failed(to_json(payload).encode())

    def serve(handler: str) -> None:
        sys.argv = ["awslambdaric", handler]
        config = LambdaConfigProvider(sys.argv)
        bootstrap.run(handler, RuntimeClient(config.api_address, config.use_thread_polling))

    return serve
