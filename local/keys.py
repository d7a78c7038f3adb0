"""Makes the key file of a local installation, once: `python -m local.keys [FILE]`.

Without FILE it is the one that KEYS_FILE names.
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
        "signing": {"current": new_signing_key()},
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
    """Make the key file, readable to its owner only; say whether it was made now.

    Raises:
        SettingsError: there is a file already, and its keys are not valid; it is left alone.
    """
    made = not path.exists() and _write_once(path, json.dumps(new_keys(), indent=2) + "\n")
    read_keys(path.read_text())
    return made


def _write_once(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it never replaces what another process just made
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.keys", description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=settings.keys().file)
    path = parser.parse_args().path
    if path is None:
        parser.error("name a file, or set KEYS_FILE")
    try:
        made = ensure_keys(path)
    except SettingsError as error:
        sys.stderr.write(f"{path}: {error}\nMove the file away to have new keys made.\n")
        return 1
    if made:
        sys.stdout.write(f"Made the keys in {path}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
