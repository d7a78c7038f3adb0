from fastapi import Response

from shared.limits import policies, rate_limits
from shared.services.sessions import Client
from shared.web.token_delivery import remember_device


async def let_owner_in(response: Response, email: str, client: Client) -> None:
    """What a link that proves the mailbox does for the next sign-in, whoever guessed passwords
    before: the device becomes a known one, and the failures that could refuse it are forgotten.

    Nobody is signed in by this. A stranger cannot do it, as only the mailbox gets the link.
    """
    remember_device(response, email)
    from_here, _ = policies.login(client.ip, email)
    await rate_limits.clear(policies.login_failures(email, device=None), from_here)
