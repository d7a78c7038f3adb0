from collections.abc import Mapping

from lampwork.app.project.for_others import ForOthers
from lampwork.companions.services import Services
from lampwork.config.project_config import Config
from lampwork.config.variables import fill, matching_variables, read_env_file
from lampwork.http.certificates import Certificates
from lampwork.stack.model import Stack, WebSocketApi
from lampwork.stack.own_addresses import names_of_aws


class ProjectVariables:
    """The environment variables that a project's functions, commands and processes share.

    `port` is where the stack's APIs take requests; `from_options` are the command line's variables.
    Make it before the shell's AWS account is forgotten: it takes what the project inherits.
    """

    def __init__(
        self, config: Config, services: Services, port: int, from_options: Mapping[str, str]
    ) -> None:
        self.origin = f"http://localhost:{port}"
        self.for_others = ForOthers(config.host, port)
        self._services = services
        self._port = port
        self._inherited = matching_variables(config.inherit)
        self._from_options = from_options
        self._certificates = Certificates(config.data / "tls")

    def resolve(self, config: Config, stack: Stack) -> dict[str, str]:
        """All variables; where sources give the same one, the last wins: the configuration, the
        inherited variables, the env file, the command line.

        Raises:
            ConfigurationError: a value or the env file is wrong.
        """
        return {
            "AWS_REGION": config.region,
            "AWS_DEFAULT_REGION": config.region,
            **self._services.variables(),
            "AWS_ENDPOINT_URL_LAMBDA": self.origin,
            "AWS_ENDPOINT_URL_CLOUDFORMATION": self.origin,
            **self._connections_endpoint(stack),
            **fill(config.environment, self._placeholders(config, stack)),
            **self._inherited,
            **read_env_file(config.env_file),
            **self._from_options,
        }

    def certificates(self, region: str) -> dict[str, str]:
        """Variables by which a function's HTTP clients trust this machine's own certificate, as
        they trust AWS's: `https://{domainName}` leads here, and so do AWS's hosts of the stack's
        own APIs and pools in this region. A function's own variables win."""
        self._certificates.ensure(*names_of_aws(region))
        bundle = str(self._certificates.bundle)
        return {
            "AWS_CA_BUNDLE": bundle,  # botocore
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,  # OpenSSL: urllib, httpx, aiohttp, curl
        }

    def _placeholders(self, config: Config, stack: Stack) -> dict[str, str]:
        sockets = {
            f"websocket_url:{api.logical_id}": self._url("ws", api) for api in stack.websocket_apis
        }
        return {
            "root": str(config.root),
            "data": str(config.data),
            "port": str(self._port),
            "origin": self.for_others.origin or self.origin,
            "origin_for_others": self.for_others.origin or "",
            "further_origins": " ".join(self.for_others.further_origins),
            **sockets,
            **self._services.placeholders(),
        }

    def _connections_endpoint(self, stack: Stack) -> dict[str, str]:
        """How boto3 finds the @connections API, also by `https://{domainName}/{stage}`."""
        if not stack.websocket_apis:
            return {}
        self._certificates.ensure()
        return {
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self._url("http", stack.websocket_apis[0]),
            "AWS_CA_BUNDLE": str(self._certificates.bundle),
        }

    def _url(self, scheme: str, api: WebSocketApi) -> str:
        return f"{scheme}://localhost:{self._port}/{api.stage}"
