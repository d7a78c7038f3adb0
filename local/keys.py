"""Makes the key file of a local installation, once: `python -m local.keys [--rotate] [FILE]`.

Without FILE, KEYS_FILE names it. With --rotate, the next signing key, which was published in
advance, becomes the current one, and the current one becomes the previous one, which only verifies.
"""

import argparse
import json
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared import settings
from shared.errors import SettingsError
from shared.security import base64url
from shared.security.keys import KEY_BYTES, read_keys


def new_keys() -> dict[str, Any]:
    """A fresh set of keys, in the form that `shared.security.keys` reads."""
    return {
        "signing": {"current": new_signing_key(), "next": new_signing_key()},
        "refresh": {"current": new_secret_key()},
        "hmac": new_secret_key(),
    }


def new_signing_key() -> dict[str, str]:
    pair = Ed25519PrivateKey.generate()
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": secrets.token_urlsafe(12),
        "x": base64url.encode(pair.public_key().public_bytes_raw()),
        "d": base64url.encode(pair.private_bytes_raw()),
    }


def new_secret_key() -> dict[str, Any]:
    return {"version": 1, "secret": base64url.encode(secrets.token_bytes(KEY_BYTES))}


def ensure_keys(path: Path) -> bool:
    """Make the key file, readable only by its owner. Returns whether it was made now.

    Raises:
        SettingsError: the file exists, and its keys are not valid; it is not changed.
    """
    made = not path.exists() and _write_once(path, json.dumps(new_keys(), indent=2) + "\n")
    read_keys(path.read_text())
    return made


def rotated(keys: dict[str, Any]) -> dict[str, Any]:
    """The keys after a rotation: the next signing key is in use, and a new one follows it.

    If there is no next key, one is only added: a key must be known everywhere before it signs.
    """
    signing = keys["signing"]
    if signing.get("next") is None:
        return {**keys, "signing": {**signing, "next": new_signing_key()}}
    former = {name: value for name, value in signing["current"].items() if name != "d"}
    following = {"current": signing["next"], "next": new_signing_key(), "previous": former}
    return {**keys, "signing": following}


def rotate_keys(path: Path) -> str:
    """Rotate the signing keys of a key file. Returns the name of the key that signs from now on.

    Raises:
        SettingsError: the file is missing or its keys are not valid; it is not changed.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise SettingsError(str(error.strerror)) from None
    read_keys(text)
    made = json.dumps(rotated(json.loads(text)), indent=2) + "\n"
    _write(path, made)
    return read_keys(made).signing.current.kid


def _write(path: Path, text: str) -> None:
    draft = _draft(path, text)
    os.replace(draft, path)


def _write_once(path: Path, text: str) -> bool:
    draft = _draft(path, text)
    try:
        os.link(draft, path)  # unlike a rename, it never replaces what another process just made
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def _draft(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # made with mode 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.keys", description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=settings.keys().file)
    parser.add_argument("--rotate", action="store_true", help="put the next signing key in use")
    arguments = parser.parse_args()
    path = arguments.path
    if path is None:
        parser.error("name a file, or set KEYS_FILE")
    try:
        if arguments.rotate:
            sys.stdout.write(f"{rotate_keys(path)} signs from the next start on.\n")
            return 0
        made = ensure_keys(path)
    except SettingsError as error:
        sys.stderr.write(f"{path}: {error}\nMove the file away to have new keys made.\n")
        return 1
    if made:
        sys.stdout.write(f"Made the keys in {path}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
