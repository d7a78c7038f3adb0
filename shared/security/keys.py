from pathlib import Path
from typing import Annotated, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from shared import settings
from shared.errors import SettingsError
from shared.security import base64url
from shared.singletons import singleton

KEY_BYTES = 32
MINIMUM_DIFFERENT_BYTES = 16  # of 32 random bytes about 30 differ


def _check_length(text: str) -> str:
    if len(base64url.decode(text)) != KEY_BYTES:
        raise ValueError(f"a key must have {KEY_BYTES} bytes")
    return text


def _check_secret(secret: SecretStr) -> SecretStr:
    _check_length(secret.get_secret_value())
    if len(set(base64url.decode(secret.get_secret_value()))) < MINIMUM_DIFFERENT_BYTES:
        raise ValueError("a key must be random; python -m local.keys makes one")
    return secret


PublicBytes = Annotated[str, AfterValidator(_check_length)]
SecretBytes = Annotated[SecretStr, AfterValidator(_check_secret)]


class KeyModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SigningKey(KeyModel):
    """An Ed25519 key pair as a JWK (RFC 8037); without `d` it can only verify."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    kid: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    x: PublicBytes
    d: SecretBytes | None = None

    @model_validator(mode="after")
    def _halves_belong_together(self) -> Self:
        if self.d is not None and self.private.public_key() != self.public:
            raise ValueError("d and x do not belong to the same key pair")
        return self

    @property
    def public(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(base64url.decode(self.x))

    @property
    def private(self) -> Ed25519PrivateKey:
        if self.d is None:
            raise SettingsError(f"The signing key {self.kid} has no private part.")
        return Ed25519PrivateKey.from_private_bytes(base64url.decode(self.d.get_secret_value()))


class SigningKeys(KeyModel):
    """`current` signs; `next` is published in advance; `previous` verifies until its tokens
    expire."""

    current: SigningKey
    next: SigningKey | None = None
    previous: SigningKey | None = None

    @property
    def published(self) -> tuple[SigningKey, ...]:
        """Every key that verifies."""
        return tuple(key for key in (self.current, self.next, self.previous) if key is not None)

    def find(self, kid: str) -> SigningKey | None:
        return next((key for key in self.published if key.kid == kid), None)


class SecretKey(KeyModel):
    version: int = Field(ge=0, le=255)
    secret: SecretBytes

    @property
    def value(self) -> bytes:
        return base64url.decode(self.secret.get_secret_value())


class RefreshKeys(KeyModel):
    current: SecretKey
    previous: SecretKey | None = None

    def find(self, version: int) -> SecretKey | None:
        known = [key for key in (self.current, self.previous) if key is not None]
        return next((key for key in known if key.version == version), None)


class Keys(KeyModel):
    """Every secret key of the application: `signing` for access tokens, `refresh` for refresh
    tokens, `hmac` for values that must be unguessable but reproducible."""

    signing: SigningKeys
    refresh: RefreshKeys
    hmac: SecretKey


@singleton
def keys() -> Keys:
    """The keys that the environment names.

    Raises:
        SettingsError: there are none, or they are not valid; the text holds no key.
    """
    return read_keys(_text())


def read_keys(text: str) -> Keys:
    """Keys from the JSON text of a key file; raises SettingsError as `keys()` does."""
    try:
        return Keys.model_validate_json(text)
    except ValidationError as error:
        problems = [f"{_where(each['loc'])}: {each['msg']}" for each in error.errors()]
        raise SettingsError("The keys are not valid: " + "; ".join(problems)) from None


def _text() -> str:
    configured = settings.keys()
    if configured.json_text is not None:
        return configured.json_text.get_secret_value()
    if configured.file is None:
        raise SettingsError("KEYS_FILE or KEYS_JSON: one of them must be set.")
    try:
        return Path(configured.file).read_text()
    except OSError as error:
        raise SettingsError(f"KEYS_FILE: {error.strerror}: {configured.file}") from None


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "JSON"
