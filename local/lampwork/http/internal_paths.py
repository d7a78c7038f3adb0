"""The emulator's own paths, beside AWS's: at its port, and at that of the embedded server."""

import re
from typing import Final

PREFIX: Final = "/_lampwork/"
BARE: Final = PREFIX.rstrip("/")  # which leads to it

# Applications sign in to user pools before they have anything to sign requests with. What such an
# operation's X-Amz-Target begins with, and the name of the service in a signature.
UNSIGNED: Final = {
    "AWSCognitoIdentityProviderService": "cognito-idp",
    "AWSCognitoIdentityService": "cognito-identity",
}
# The documents by which anybody verifies the tokens of a user pool.
POOL_DOCUMENT: Final = re.compile(
    r"/([a-z0-9-]+_[0-9A-Za-z]+)/\.well-known/(jwks\.json|openid-configuration)"
)

# At the emulator's port.
HEALTH: Final = PREFIX + "health"
METRICS: Final = PREFIX + "metrics"
CONSOLE: Final = PREFIX + "console/"  # and PREFIX itself
INVOCATIONS: Final = PREFIX + "api/invocations"
TRACES: Final = PREFIX + "api/traces"

# At both, and only where `lampwork.testing` has started the emulator.
TESTING: Final = PREFIX + "testing/"

# At the embedded server's.
RESOURCES: Final = PREFIX + "resources"
REFERENCES: Final = PREFIX + "references"
QUEUES: Final = PREFIX + "queues"
READERS: Final = PREFIX + "readers"
