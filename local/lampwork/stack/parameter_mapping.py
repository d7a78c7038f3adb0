from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ParameterMapping:
    """What an HTTP API changes in the requests of a route, and in its integration's answers by
    their status.

    A key names an action and a place, as overwrite:header.NAME, append:querystring.NAME,
    remove:header.NAME, overwrite:path or overwrite:statuscode. Its value is a text or a source,
    such as $request.path.NAME.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
    """

    request: Mapping[str, str] = field(default_factory=dict)
    responses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
