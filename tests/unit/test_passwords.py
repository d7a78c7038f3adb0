import asyncio

import pytest
from passlib.context import CryptContext

from shared.errors import WeakPassword
from shared.security.password_policy import (
    COMMON_PASSWORDS,
    SHORTEST_ALLOWED,
    check_new_password,
    common_passwords,
)
from shared.security.passwords import Argon2Hasher

EMAIL = "someone@example.com"


async def test_a_hash_has_the_parameters_that_are_recommended():
    hashed = await Argon2Hasher().hash("StrongPass123!")

    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_only_the_exact_password_is_right():
    hasher = Argon2Hasher()
    stored = await hasher.hash(" Pässwörd 🙂 ")

    right = await hasher.verify(" Pässwörd 🙂 ", stored)
    trimmed = await hasher.verify("Pässwörd 🙂", stored)

    assert right.correct
    assert right.better_hash is None
    assert not trimmed.correct


async def test_passwords_that_differ_in_the_last_byte_differ_whatever_their_length():
    hasher = Argon2Hasher()
    stored = await hasher.hash("x" * 72 + "a")

    assert not (await hasher.verify("x" * 72 + "b", stored)).correct


@pytest.mark.parametrize("stored", [None, "", "plain", "$argon2id$v=19$m=19456,t=2,p=1$xx$yy"])
async def test_a_missing_or_damaged_hash_matches_nothing(stored: str | None):
    verdict = await Argon2Hasher().verify("StrongPass123!", stored)

    assert not verdict.correct
    assert verdict.better_hash is None


async def test_a_hash_with_older_parameters_must_be_replaced():
    older = CryptContext(schemes=["argon2"], argon2__memory_cost=1024, argon2__time_cost=1)
    stored = older.hash("StrongPass123!")

    verdict = await Argon2Hasher().verify("StrongPass123!", stored)

    assert verdict.correct
    assert verdict.better_hash is not None
    assert verdict.better_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_the_loop_goes_on_while_a_password_is_hashed():
    iterations = 0

    hashing = asyncio.create_task(Argon2Hasher().hash("StrongPass123!"))
    while not hashing.done():
        await asyncio.sleep(0)
        iterations += 1

    assert iterations > 10


@pytest.mark.parametrize(
    "password",
    ["StrongPass123!", "with spaces all over", "🙂" * 8, "x" * 127 + "!", "correct horse"],
)
def test_a_personal_password_is_accepted(password: str):
    check_new_password(password, email=EMAIL)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "too_short"),
        ("short 7", "too_short"),
        ("x" * 129, "too_long"),
        ("password123", "common"),
        ("Password123", "common"),
        ("QWERTY123", "common"),
        ("1qazxsw2", "common"),
        ("987654321", "common"),
        ("letmein123", "common"),
        ("q1w2e3r4t5y6", "common"),
        (" password ", "common"),
        ("pass word", "common"),
        ("password\u200b", "common"),
        ("p\N{COMBINING ACUTE ACCENT}assword1", "common"),
        ("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44", "common"),
        (" " * 12, "common"),
        ("\u200b" * 12, "common"),
        ("someone", "contains_email"),
        ("I am SomeOne, truly", "contains_email"),
        ("my-Lampwork-2026", "contains_product_name"),
    ],
)
def test_an_easily_guessed_password_is_refused_with_the_reason(password: str, reason: str):
    with pytest.raises(WeakPassword) as raised:
        check_new_password(password, email=EMAIL)

    assert reason in raised.value.extra["reasons"]


def test_a_short_local_part_may_be_part_of_a_password_but_not_all_of_it():
    check_new_password("StrongPass123!", email="pas@example.com")

    with pytest.raises(WeakPassword):
        check_new_password("abc", email="abc@example.com")


def test_the_list_of_common_passwords_holds_those_of_sufficient_length():
    """OWASP ASVS 5.0, 6.2.4, asks for the 3,000 most common ones that match the policy."""
    listed = COMMON_PASSWORDS.read_text().splitlines()

    assert len(listed) > 25_000
    assert listed == sorted(set(listed))
    assert all(len(each) >= SHORTEST_ALLOWED and each == each.casefold() for each in listed)
    assert set(listed) == common_passwords()
