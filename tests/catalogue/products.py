"""The running product where a test needs more requests than a person sends."""

# Rates of a person would stop a test that knocks at every door.
WITHOUT_LIMITS = {"RATE_LIMITS": "off"}
