"""The running product where a test needs more requests than a person sends."""

# Rates of a person would stop a test that knocks at every door.
WITHOUT_LIMITS: dict[str, str] = {}
