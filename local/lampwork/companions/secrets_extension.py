"""What AWS's layer "Parameters and Secrets" serves to functions at localhost: parameters of Systems
Manager and secrets of Secrets Manager.

https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
https://docs.aws.amazon.com/lambda/latest/dg/with-secrets-manager.html
"""

import json
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

from lampwork.stack.model import Function

PORT_VARIABLE: Final = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
DEFAULT_PORT: Final = "2773"
HEADER: Final = "X-Aws-Parameters-Secrets-Token"
TAKEN: Final = (
    "Nothing serves parameters and secrets at localhost:{}, where functions with AWS's layer ask"
    " for them: {}. Give these functions another port in the variable " + PORT_VARIABLE + "."
)


class SecretsExtension:
    """Answers functions with the layer from the embedded AWS at `aws_url`."""

    def __init__(self, aws_url: Callable[[], str], region: str, say: Callable[[str], None]) -> None:
        self._aws_url = aws_url
        self._region = region
        self._say = say
        self._servers: dict[str, ThreadingHTTPServer] = {}

    def serve(self, functions: Iterable[Function]) -> None:
        """Listen at each port at which a function asks, besides those that are served already."""
        asking = (each for each in functions if each.secrets_extension)
        for port in {each.environment.get(PORT_VARIABLE, DEFAULT_PORT) for each in asking}:
            if port not in self._servers:
                self._listen(port)

    def stop(self) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def _listen(self, port: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:
                has_token = bool(handler.headers.get(HEADER))
                status, body = self._answer(handler.path) if has_token else (401, b"")
                handler.send_response(status)
                handler.send_header("Content-Type", "application/json")
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Functions say themselves what fails."""

        try:
            server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
        except (OSError, OverflowError, ValueError) as error:
            self._say(TAKEN.format(port, error))
            return
        self._servers[port] = server
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _answer(self, target: str) -> tuple[int, bytes]:
        """The status and the body for a path with its query."""
        url = urlsplit(target)
        asked = dict(parse_qsl(url.query))
        match url.path.rstrip("/"):
            case "/secretsmanager/get":
                names = {
                    "secretId": "SecretId",
                    "versionId": "VersionId",
                    "versionStage": "VersionStage",
                }
                content = {names[each]: value for each, value in asked.items() if each in names}
                return self._ask("secretsmanager", "secretsmanager.GetSecretValue", content)
            case "/systemsmanager/parameters/get":
                version = asked.get("version") or asked.get("label")
                name = asked.get("name", "") + (f":{version}" if version else "")
                decrypts = asked.get("withDecryption", "").lower() == "true"
                wanted = {"Name": name, "WithDecryption": decrypts}
                return self._ask("ssm", "AmazonSSM.GetParameter", wanted)
            case _:
                return 404, b""

    def _ask(self, service: str, operation: str, content: object) -> tuple[int, bytes]:
        scope = f"test/20260101/{self._region}/{service}/aws4_request"
        request = Request(
            self._aws_url(),
            data=json.dumps(content).encode(),
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": operation,
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, "
                "Signature=0",
            },
        )
        try:
            with urlopen(request) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            # Both services answer 400 to what is not there, moto 404.
            return 400 if error.code < 500 else error.code, error.read()
        except OSError as error:
            return 500, str(error).encode()
