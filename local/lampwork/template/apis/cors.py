from lampwork.stack.authorization import Cors
from lampwork.template.source.values import Section


def read_cors(settings: Section) -> Cors | None:
    """CORS settings as CloudFormation (AllowOrigins) or OpenAPI (allowOrigins) writes them.

    Raises:
        TemplateError: a value is of the wrong kind.
    """
    if not settings:
        return None
    given = settings.in_lower_case()
    return Cors(
        allow_origins=given.one_or_more("alloworigins"),
        allow_methods=given.one_or_more("allowmethods"),
        allow_headers=given.one_or_more("allowheaders"),
        expose_headers=given.one_or_more("exposeheaders"),
        max_age=given.optional_integer("maxage"),
        allow_credentials=given.truth("allowcredentials"),
    )
