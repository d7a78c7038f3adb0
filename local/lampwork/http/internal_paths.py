"""The emulator's own paths, beside AWS's: at its port, and at that of the embedded server."""

from typing import Final

PREFIX: Final = "/_lampwork/"

# At the emulator's port.
HEALTH: Final = PREFIX + "health"
METRICS: Final = PREFIX + "metrics"

# At the embedded server's.
RESOURCES: Final = PREFIX + "resources"
REFERENCES: Final = PREFIX + "references"
QUEUES: Final = PREFIX + "queues"
