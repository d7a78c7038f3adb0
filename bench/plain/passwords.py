"""Passwords are hashed at the product's cost, by argon2's own package."""

from typing import Any

from argon2 import PasswordHasher

from shared.security.passwords import ARGON2

SETTING: dict[str, Any] = dict(ARGON2)

hasher = PasswordHasher(
    time_cost=SETTING["argon2__time_cost"],
    memory_cost=SETTING["argon2__memory_cost"],
    parallelism=SETTING["argon2__parallelism"],
)
