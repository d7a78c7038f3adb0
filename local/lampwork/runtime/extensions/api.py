"""The Extensions API of one execution environment, which its extensions ask by HTTP.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html; names and texts of errors
are those of aws-lambda-runtime-interface-emulator (internal/lambda/rapi).
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final, Protocol

from lampwork.http.connection import Answer, HttpProtocol, Pending
from lampwork.http.listener import Listener
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.runtime.extensions.extension import INVOKE, SHUTDOWN, Extension

HOST: Final = "127.0.0.1"
PREFIX: Final = "/2020-01-01/extension/"
NAME: Final = "lambda-extension-name"
IDENTIFIER: Final = "lambda-extension-identifier"
ERROR_TYPE: Final = "lambda-extension-function-error-type"
FEATURES: Final = "lambda-extension-accept-feature"
# What other APIs of the same address answer there, as AWS's own emulator does.
UNSUPPORTED: Final = {
    "/2022-07-01/telemetry": ("Telemetry.NotSupported", "Telemetry API is not supported"),
    "/2020-08-15/logs": ("Logs.NotSupported", "Logs API is not supported"),
}


class Registry(Protocol):
    """Who knows the extensions of the environment."""

    def described(self) -> Mapping[str, str]:
        """What a registered extension learns of its function."""
        ...

    def to_register(self, name: str) -> Extension:
        """The extension of this name.

        Raises:
            Refused: none can be registered.
        """
        ...

    def known(self, identifier: str) -> Extension | None: ...

    def changed(self) -> None: ...

    def say(self, line: str) -> None: ...

    def failed(self, kind: str, message: str) -> None: ...


class Refused(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ExtensionsApi:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._connections: set[HttpProtocol] = set()
        self._listener = Listener(
            lambda secure: HttpProtocol(
                self._serve,
                connections=self._connections,
            ),
            _no_tls,
            host=HOST,
            port=0,
        )

    async def start(self) -> str:
        """Listen. Returns the value of AWS_LAMBDA_RUNTIME_API.

        Raises:
            StartError: there is no free port.
        """
        await self._listener.start()
        return f"{HOST}:{self._listener.port}"

    def stop(self) -> None:
        self._listener.stop()
        for connection in list(self._connections):
            connection.abort()

    def _serve(self, request: Request) -> Answer | Pending:
        if request.path in UNSUPPORTED:
            kind, message = UNSUPPORTED[request.path]
            self._registry.say(
                f"{message} by Lampwork: an extension that asks for it gets nothing."
            )
            return _json(202, {"errorType": kind, "errorMessage": message})
        try:
            match request.method, request.path.removeprefix(PREFIX):
                case "POST", "register":
                    return self._register(request)
                case "GET", "event/next":
                    return self._next(self._extension(request))
                case "POST", "init/error" | "exit/error" as path:
                    return self._failed(request, path)
        except Refused as refusal:
            return _json(403, {"errorType": refusal.kind, "errorMessage": str(refusal)})
        return _json(404, {"errorType": "NotFound", "errorMessage": "404 page not found"})

    def _register(self, request: Request) -> Response:
        name = request.header(NAME)
        if not name:
            raise Refused("Extension.InvalidExtensionName", "Empty extension name")
        try:
            events = json.loads(request.body or b"{}").get("events") or ()
        except (ValueError, AttributeError) as error:
            raise Refused("InvalidRequestFormat", str(error)) from error
        extension = self._registry.to_register(name)
        if extension.is_registered:
            raise Refused(
                "Extension.InvalidExtensionState", "Extension with this name already registered"
            )
        allowed = (INVOKE, SHUTDOWN) if extension.is_external else (INVOKE,)
        for event in events:
            if event not in allowed:
                raise Refused("Extension.InvalidEventType", f"{event}: ErrorInvalidEventType")
        extension.events = tuple(events)
        self._registry.changed()
        described = dict(self._registry.described())
        if "accountId" not in (request.header(FEATURES) or ""):
            del described["accountId"]
        return _json(200, described, ("Lambda-Extension-Identifier", extension.identifier))

    async def _next(self, extension: Extension) -> Response:
        waiting = extension.next_event()
        self._registry.changed()
        event = await waiting
        return _json(200, event, ("Lambda-Extension-Event-Identifier", str(uuid.uuid4())))

    def _failed(self, request: Request, path: str) -> Response:
        extension = self._extension(request)
        kind = request.header(ERROR_TYPE)
        if not kind:
            raise Refused(
                "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"
            )
        phase = "Extension.InitError" if path == "init/error" else "Extension.ExitError"
        self._registry.failed(phase, f"{extension.name}: {kind}")
        return _json(202, {"status": "OK"})

    def _extension(self, request: Request) -> Extension:
        identifier = request.header(IDENTIFIER)
        if not identifier:
            raise Refused(
                "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"
            )
        extension = self._registry.known(identifier)
        if extension is None:
            raise Refused("Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")
        return extension


def _no_tls() -> Any:
    raise OSError("The Extensions API speaks plain HTTP.")


def _json(status: int, content: Mapping[str, Any], *headers: tuple[str, str]) -> Response:
    named = [("content-type", "application/json"), *headers]
    return Response(status, named, json.dumps(content).encode())
