import unicodedata

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

MAXIMUM_LENGTH = 254  # RFC 5321, section 4.5.3.1


def canonical(address: str) -> str:
    """The form that makes an address unique: it ignores case, composed accents and the spelling of
    an international domain; it keeps dots and a `+tag`, since they may name another mailbox.

    Raises:
        ValueError: it is not a plain address (`name@host`), or too long.
    """
    valid = _validate(address)
    local_part = unicodedata.normalize("NFC", valid.local_part.casefold())
    text = f"{local_part}@{valid.ascii_domain}"
    if len(text) > MAXIMUM_LENGTH:
        raise ValueError("The e-mail address is too long.")
    return text


def _validate(address: str) -> ValidatedEmail:
    try:
        return validate_email(
            address, check_deliverability=False, strict=True, test_environment=True
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
