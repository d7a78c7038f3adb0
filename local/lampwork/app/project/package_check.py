from lampwork.cloud.moto_seam.names import MOTO
from lampwork.companions.fake_redis import FAKEREDIS
from lampwork.companions.services import Services
from lampwork.front.websocket_seam import WEBSOCKETS
from lampwork.runtime.awslambdaric_seam import AWSLAMBDARIC


def check_packages(services: Services) -> None:
    """Fail now where a package is of a version that would fail later, or in another process.

    Raises:
        UnknownVersion: names the package, its version and those that Lampwork knows.
    """
    AWSLAMBDARIC.check_version()
    WEBSOCKETS.check_version()
    if services.aws is not None:
        MOTO.check_version()
    if services.redis is not None and services.redis.kind == "fake":
        FAKEREDIS.check_version()
