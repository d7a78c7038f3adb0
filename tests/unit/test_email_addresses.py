import unicodedata

import pytest

from shared.email_addresses import canonical, in_ascii, mailbox


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("demo@example.com", "DEMO@Example.COM"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("é@example.com", unicodedata.normalize("NFD", "é@example.com")),
        ("straße@example.com", "STRASSE@example.com"),
    ],
)
def test_spellings_of_one_address_are_one_account(one: str, other: str):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a.b@example.com", "ab@example.com"), ("a+b@example.com", "a@example.com")],
)
def test_addresses_that_may_belong_to_two_mailboxes_are_two_accounts(one: str, other: str):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("A+one@Example.com", "a@example.com"),
        ("a+one+two@example.com", "a@example.com"),
        ("a.b@example.com", "a.b@example.com"),
        ("+a@example.com", "+a@example.com"),
    ],
)
def test_mails_to_tags_of_an_address_are_counted_for_one_mailbox(address: str, counted: str):
    assert mailbox(address) == counted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demo",
        "@example.com",
        "demo@",
        "demo@@example.com",
        "Demo <demo@example.com>",
        "demo@example.com\r\nBcc: all@example.com",
        "demo@example.com\n",
        " demo@example.com",
        "demo\x00@example.com",
        "de\u200dmo@example.com",
        '"demo"@example.com',
        "demo@[127.0.0.1]",
        "a" * 65 + "@example.com",
        "a@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 63 + "." + "e" * 63 + ".com",
    ],
)
def test_an_invalid_address_is_refused(text: str):
    with pytest.raises(ValueError, match=r".+"):
        canonical(text)


@pytest.mark.parametrize(
    ("address", "mailed"),
    [
        ("Ada@Example.com", "Ada@example.com"),
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ("a+tag@例え.jp", "a+tag@xn--r8jz45g.jp"),
    ],
)
def test_an_international_domain_is_encoded_for_mail_servers(address: str, mailed: str):
    assert in_ascii(address) == mailed


@pytest.mark.parametrize("address", ["ß" * 33 + "@example.com", "İ" * 33 + "@example.com"])
def test_an_address_that_is_too_long_once_its_case_is_ignored_is_refused(address: str):
    """Or the canonical form would be no address, and a mail to it could never be sent."""
    with pytest.raises(ValueError, match="too long"):
        canonical(address)


@pytest.mark.parametrize("address", ["ß" * 32 + "@example.com", "İ@Bücher.example", "ŉ@x.com"])
def test_the_canonical_form_is_its_own(address: str):
    assert canonical(canonical(address)) == canonical(address)


@pytest.mark.parametrize("address", ["müller@example.com", "用户@例え.jp"])
def test_a_mailbox_outside_of_ascii_has_no_such_form(address: str):
    with pytest.raises(ValueError, match="not ASCII"):
        in_ascii(address)


def test_no_mail_reaches_a_domain_for_tests():
    assert canonical("a@example.test") == "a@example.test"
    with pytest.raises(ValueError, match="special-use"):
        in_ascii("a@example.test")
