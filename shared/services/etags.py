def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has this version (RFC 9110 section 13.1.2: weak comparison)."""
    if if_none_match is None:
        return False
    held = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in held or etag.removeprefix("W/") in held
