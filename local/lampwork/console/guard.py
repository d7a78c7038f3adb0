"""Who may look into the emulator, and act in it.

The console shows secrets and can change everything. So it answers this machine alone, as the
history does, and takes an action only from a page of its own.
"""

from typing import Final

from lampwork.front.control import local_only
from lampwork.http.request import Request

ELSEWHERE: Final = (
    "The console answers only this machine, at http://localhost, without a proxy, and no page of"
    " another site."
)
FORGED: Final = "Only a page of the console may do this."


def refusal(request: Request) -> str | None:
    """Why a request is not answered; None for one that is.

    The checks of Origin and Sec-Fetch-Site are those of
    https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
    """
    if local_only.refusal(request) is not None:
        return ELSEWHERE
    # Browsers send an Origin with every POST: https://fetch.spec.whatwg.org/#origin-header
    if request.method not in ("GET", "HEAD") and request.header("origin") is None:
        return FORGED
    return None
