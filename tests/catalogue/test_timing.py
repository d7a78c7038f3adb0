import random
import time
from statistics import median

import pytest

from shared.models.user import UserStatus
from shared.security import passwords
from shared.security.passwords import ARGON2
from tests.auth import open_account, set_status, sign_in, sign_up
from tests.catalogue.statistics import mann_whitney

SAMPLES = 200
CLASSES = ("known", "unknown", "disabled", "pending")


@pytest.mark.soak
@pytest.mark.case("C2")
@pytest.mark.usefixtures("application")
def test_the_time_of_a_refusal_reveals_nothing_about_an_account(application: pytest.MonkeyPatch):
    application.setenv("RATE_LIMITS", "off")
    application.setattr(passwords, "ARGON2", ARGON2)
    open_account("known@example.com")
    open_account("disabled@example.com")
    set_status("disabled@example.com", UserStatus.DISABLED)
    sign_up("pending@example.com")

    seconds = measure()

    medians = {each: median(seconds[each]) for each in CLASSES}
    assert max(medians.values()) / min(medians.values()) < 1.1, medians
    likely = {each: mann_whitney(seconds["known"], seconds[each]) for each in CLASSES[1:]}
    assert min(likely.values()) > 0.01, likely


def measure() -> dict[str, list[float]]:
    """Times of refused sign-ins, the classes in a new order each time: what else this machine
    does falls on all of them alike."""
    seconds: dict[str, list[float]] = {each: [] for each in CLASSES}
    for _ in range(SAMPLES):
        for each in random.sample(CLASSES, len(CLASSES)):
            started = time.perf_counter()
            answer = sign_in(f"{each}@example.com", "a wrong password")
            seconds[each].append(time.perf_counter() - started)
            assert answer.status == 401
    return seconds
