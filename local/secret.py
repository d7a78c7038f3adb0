"""Makes the text of the secret that the functions read on AWS.

    DATABASE_URL=postgresql+asyncpg://… REDIS_URL=rediss://… python -m local.secret secret.json

docs/deploy.md says how to hand it to Secrets Manager. GENERATOR_API_KEY, GATEWAY_SECRET and
SENTRY_DSN are taken along where they are set.
"""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from local.keys import new_keys

NEEDED = ("DATABASE_URL", "REDIS_URL")
TAKEN_ALONG = ("GATEWAY_SECRET", "GENERATOR_API_KEY", "SENTRY_DSN")


def text(environment: Mapping[str, str]) -> str:
    """The secret's JSON, with new keys and a new origin secret.

    Raises:
        KeyError: naming a variable that is not set.
    """
    origin_secret = secrets.token_urlsafe(32)
    variables = {name: environment[name] for name in NEEDED}
    variables |= {name: environment[name] for name in TAKEN_ALONG if environment.get(name)}
    made = {
        **variables,
        "KEYS_JSON": new_keys(),
        "ORIGIN_SECRET": origin_secret,  # what CloudFront sends
        "ORIGIN_SECRETS": origin_secret,  # what the functions believe
    }
    return json.dumps(made, indent=2) + "\n"


def main(words: list[str]) -> None:
    try:
        (path,) = words
        content = text(os.environ)
        # Never over a file that is there: it may hold keys in use.
        file = os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except ValueError:
        sys.exit(__doc__)
    except KeyError as error:
        sys.exit(f"{error.args[0]} is not set; {' and '.join(NEEDED)} must be")
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    with os.fdopen(file, "w") as written:
        written.write(content)


if __name__ == "__main__":
    main(sys.argv[1:])
