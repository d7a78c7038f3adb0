import asyncio
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from lampwork.companions.aws import CREDENTIALS, TESTING, TIME_SCALE, EmbeddedAws, resolve_at
from lampwork.companions.redis import EmbeddedRedis
from lampwork.companions.supervision import OnLog
from lampwork.concurrency import run_all
from lampwork.config.project_config import Config
from lampwork.stack.model import CloudResource


class Services:
    """The embedded services that a project lists in its configuration.

    The embedded AWS calls functions at `lambda_endpoint`. Its pauses take `time_scale` times as
    long as they say. With `testing`, tests may look into it.
    """

    def __init__(
        self,
        config: Config,
        on_log: OnLog,
        lambda_endpoint: str = "",
        time_scale: float = 1,
        *,
        testing: bool = False,
    ) -> None:
        wanted, data = config.services, config.data
        self.redis: EmbeddedRedis | None = None
        self.aws: EmbeddedAws | None = None
        if "redis" in wanted:
            self.redis = EmbeddedRedis(data, on_log, config.redis)
        if "aws" in wanted:
            hosts = (config.host, *config.allowed_hosts)
            told = {TIME_SCALE: str(time_scale)} | ({TESTING: "true"} if testing else {})
            if lambda_endpoint:
                told["AWS_ENDPOINT_URL_LAMBDA"] = lambda_endpoint
            self.aws = EmbeddedAws(data, on_log, config.region, hosts, told)

    def know_key(self, variables: Mapping[str, str]) -> None:
        """As `EmbeddedAws.know_key`."""
        if self.aws is not None:
            self.aws.know_key(variables)

    async def start(self) -> None:
        """Start all at once and wait until they answer.

        Raises:
            StartError: one of them did not start.
        """
        await run_all(*(each.start() for each in self._all()))

    async def stop(self) -> None:
        await run_all(*(each.stop() for each in self._all()))

    async def given_up(self) -> None:
        """Wait until one of them can run no more, if that ever comes.

        Raises:
            StartError: that one, and why.
        """
        await (self.aws.given_up() if self.aws else asyncio.Event().wait())

    async def create(self, resources: Iterable[CloudResource]) -> None:
        """Create these in the embedded AWS, if there is one."""
        if self.aws is not None:
            await self.aws.create(resources)

    async def resolve(self, references: Sequence[str]) -> Mapping[str, str | None]:
        """The values of dynamic references in the embedded AWS; empty if there is none."""
        return await self.aws.resolve(references) if self.aws else {}

    def placeholders(self) -> dict[str, str]:
        """What a variable's `${…}` may name, and its value."""
        redis = {"redis_url": self.redis.url} if self.redis else {}
        return redis | ({"aws_url": self.aws.url} if self.aws else {})

    def variables(self) -> dict[str, str]:
        """Variables by which boto3 finds the embedded AWS and never a real account."""
        return CREDENTIALS | (_leading_to(self.aws.url) if self.aws else {})

    @property
    def aws_address(self) -> tuple[str, int] | None:
        return self.aws.address if self.aws else None

    @property
    def aws_url(self) -> str:
        return self.aws.url if self.aws else "http://localhost"

    def _all(self) -> list[EmbeddedRedis | EmbeddedAws]:
        return [each for each in (self.redis, self.aws) if each is not None]


class RunningServices(Services):
    """The services of another Lampwork, by their addresses. It has created what its template
    defines."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self.redis = None
        self.aws = None
        self._addresses = addresses

    async def resolve(self, references: Sequence[str]) -> Mapping[str, str | None]:
        return await resolve_at(self.aws_address, references) if self.aws_address else {}

    def placeholders(self) -> dict[str, str]:
        return dict(self._addresses)

    def variables(self) -> dict[str, str]:
        url = self._addresses.get("aws_url")
        return CREDENTIALS | (_leading_to(url) if url else {})

    @property
    def aws_address(self) -> tuple[str, int] | None:
        url = urlsplit(self._addresses.get("aws_url", ""))
        return (url.hostname, url.port) if url.hostname and url.port else None

    @property
    def aws_url(self) -> str:
        return self._addresses.get("aws_url", "http://localhost")


def _leading_to(url: str) -> dict[str, str]:
    # boto3 would ask for StartSyncExecution at a host whose name begins with "sync-".
    return {"AWS_ENDPOINT_URL": url, "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
