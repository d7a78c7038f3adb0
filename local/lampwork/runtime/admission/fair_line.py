"""Which functions get another environment next. It does no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Demand:
    """What one function has and wants.

    `wanted` requests have waited for long enough and have no environment that starts for them; the
    first of them has waited since `since`. Of its environments, `starting` have not loaded the
    function yet, `computing` use a core or will do so at once, starting ones among them, and
    `launching` are the starting ones that use a core.
    """

    wanted: int = 0
    since: float = 0.0
    starting: int = 0
    computing: int = 0
    launching: int = 0


def admit(demands: Sequence[Demand], cores: int) -> list[int]:
    """The functions that each get one more environment, as indices of their demands, in order.

    More environments that compute than cores, and one to hand over its answer meanwhile, would only
    slow each other down; those that wait for something else do not count. A function of which none
    computes gets one in any case: nobody waits behind the work of others, and a function that waits
    for another one, or for itself, is never waited for. Starting one takes a core, so as many start
    at once as there are cores. Who has waited longest comes first.
    """
    now = list(demands)
    computing = sum(each.computing for each in now)
    launching = sum(each.launching for each in now)
    admitted: list[int] = []
    while launching < cores:
        line = [
            (_has_one(each), each.since, number)
            for number, each in enumerate(now)
            if each.wanted > 0
            and (not _has_one(each) or (computing <= cores and each.starting < cores))
        ]
        if not line:
            break
        number = min(line)[2]
        admitted.append(number)
        computing += 1
        launching += 1
        now[number] = replace(
            now[number],
            wanted=now[number].wanted - 1,
            starting=now[number].starting + 1,
            computing=now[number].computing + 1,
        )
    return admitted


def _has_one(demand: Demand) -> bool:
    return demand.computing > 0 or demand.starting > 0
