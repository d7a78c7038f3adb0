"""The running product for tests that send more requests than a person does."""

# Rate limits meant for a person would stop a test that tries every route.
WITHOUT_LIMITS = {"RATE_LIMITS": "off"}
