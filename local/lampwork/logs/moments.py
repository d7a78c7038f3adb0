"""Points in time as people write them on a command line."""

import re
from datetime import datetime, timedelta
from typing import Final

RELATIVE: Final = re.compile(r"(\d+)\s*([a-z]+?)s?(?:\s+ago)?", re.IGNORECASE)
UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "minute"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hour"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day"), timedelta(days=1)),
    **dict.fromkeys(("w", "week"), timedelta(weeks=1)),
}
DAYS: Final = {"today": 0, "yesterday": 1}


def moment(text: str, now: datetime) -> datetime:
    """Such as `5mins ago`, `2 hours ago`, `yesterday`, `now`, `10:30` or `2026-11-30 10:30`.

    Without an offset it is a time of this machine, as the log shows it.

    Raises:
        ValueError: it is none of these.
    """
    plain = text.strip().lower()
    if plain == "now":
        return now
    if plain in DAYS:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=DAYS[plain])
    found = RELATIVE.fullmatch(plain)
    if found and (unit := UNITS.get(found[2]) or UNITS.get(f"{found[2]}s")):
        return now - int(found[1]) * unit
    if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", plain):
        plain = f"{now:%Y-%m-%d} {plain.zfill(5)}"
    parsed = datetime.fromisoformat(plain.upper() if "t" in plain else plain)
    return parsed.astimezone().replace(tzinfo=None) if parsed.tzinfo else parsed
