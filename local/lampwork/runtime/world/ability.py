import asyncio
import subprocess
import tempfile

from lampwork.runtime.world import mounts


async def why_not(python: str) -> str | None:
    """Why this machine cannot show functions Lambda's paths; None if it can.

    The rights are not enough to know it: security modules and containers refuse some of the calls.
    """
    with tempfile.TemporaryDirectory(prefix="lampwork-") as spare:
        process = await asyncio.create_subprocess_exec(
            python,
            *("-I", "-S", mounts.__file__, spare),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, said = await process.communicate()
        return said.decode().strip().rpartition("\n")[2] if process.returncode else None
