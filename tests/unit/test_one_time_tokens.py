import pytest

from shared.errors import InvalidOrExpiredToken
from shared.models.one_time_token import TokenPurpose
from shared.security import one_time_tokens

VERIFY, RESET = TokenPurpose.VERIFY_EMAIL, TokenPurpose.RESET_PASSWORD


def test_a_token_is_long_random_and_kept_as_a_hash():
    token, other = one_time_tokens.create(VERIFY), one_time_tokens.create(VERIFY)

    assert token != other
    assert token.startswith("ev1_")
    assert len(token) == 4 + 43
    assert len(one_time_tokens.fingerprint(token, VERIFY)) == 32


def test_a_token_serves_only_its_purpose():
    token = one_time_tokens.create(RESET)

    with pytest.raises(InvalidOrExpiredToken):
        one_time_tokens.fingerprint(token, VERIFY)


@pytest.mark.parametrize("change", ["{}=", "{} ", "+{}", "{}A", "", "ev1_", "ev1_é", "x{}"])
def test_a_token_has_one_spelling_only(change: str):
    text = change.format(one_time_tokens.create(VERIFY))

    with pytest.raises(InvalidOrExpiredToken):
        one_time_tokens.fingerprint(text, VERIFY)
