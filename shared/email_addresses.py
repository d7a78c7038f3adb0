import unicodedata

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

MAXIMUM_LENGTH = 254  # RFC 5321, section 4.5.3.1


def canonical(address: str) -> str:
    """The form that makes an address unique: it ignores case, composed accents and the spelling of
    an international domain; it keeps dots and a `+tag`, since they may name another mailbox.

    Raises:
        ValueError: it is not a plain address (`name@host`), or it or this form is too long.
    """
    valid = _validate(address)
    local_part = unicodedata.normalize("NFC", valid.local_part.casefold())
    text = f"{local_part}@{valid.ascii_domain}"
    if len(text) > MAXIMUM_LENGTH:
        raise ValueError("The e-mail address is too long.")
    _validate(text)  # ignoring case can make it longer: `ß` becomes `ss`
    return text


def mailbox(address: str) -> str:
    """The canonical form without its `+tag`, which most mail servers deliver to the same mailbox
    (RFC 5233). For counting mails alone: whose mailbox it is, only the whole address says.

    Raises:
        ValueError: as `canonical` does.
    """
    local_part, _, domain = canonical(address).rpartition("@")
    return f"{local_part.partition('+')[0] or local_part}@{domain}"


def in_ascii(address: str) -> str:
    """The address for mail servers that know ASCII alone: an international domain is encoded, as
    IDNA says.

    Raises:
        ValueError: it is not an address, its domain is one of those for tests (RFC 6761), or the
            part before the @ is not ASCII: for that there is no encoding (RFC 6531).
    """
    valid = _validate(address, in_tests=False)
    if valid.ascii_email is None:
        raise ValueError("No mail can be sent there: the part before the @ is not ASCII.")
    return valid.ascii_email


def _validate(address: str, *, in_tests: bool = True) -> ValidatedEmail:
    try:
        return validate_email(
            address, check_deliverability=False, strict=True, test_environment=in_tests
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
