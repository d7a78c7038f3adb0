"""Sample events of services that the emulator does not run, in the forms that AWS documents.

Names and options are those of `sam local generate-event`. ARNs have the account 000000000000 and
the partition aws: the command replaces both.
"""

from collections.abc import Sequence
from typing import Final

from lampwork.commands.samples import (
    alexa,
    contents,
    conversations,
    firehose,
    gateways,
    lambda_edge,
    operations,
)
from lampwork.triggers.samples import Sample

SAMPLES: Final[Sequence[Sample]] = (
    *gateways.SAMPLES,
    *lambda_edge.SAMPLES,
    *firehose.SAMPLES,
    *conversations.SAMPLES,
    *alexa.SAMPLES,
    *operations.SAMPLES,
    *contents.SAMPLES,
)
