import pytest

from shared.errors import SettingsError
from shared.mail.port import Mail
from shared.mail.registry import mailer
from shared.mail.templates import TEMPLATES, compose
from shared.models.mail import MailKind
from shared.singletons import forget_singletons

TOKEN = "ev1_" + "x" * 43


@pytest.fixture(autouse=True)
def public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://app.example.com/")
    forget_singletons()


@pytest.mark.parametrize("header", ["recipient", "subject"])
@pytest.mark.parametrize("smuggled", ["\r\nBcc: all@example.com", "\n", "\x00"])
def test_no_header_can_be_injected_into_a_mail(header: str, smuggled: str):
    fields = {"recipient": "demo@example.com", "subject": "Hello", "text": "", "html": ""}
    fields[header] += smuggled

    with pytest.raises(ValueError, match="control character"):
        Mail(**fields)


def test_a_log_shows_no_more_of_an_address_than_it_must():
    mail = compose(MailKind.PASSWORD_CHANGED, "demo@example.com")

    assert mail.redacted_recipient == "d***@example.com"


@pytest.mark.parametrize("kind", [kind for kind in MailKind if TEMPLATES[kind].link])
def test_a_link_keeps_its_token_out_of_requests_to_servers(kind: MailKind):
    mail = compose(kind, "demo@example.com", TOKEN)

    link = next(line for line in mail.text.splitlines() if line.startswith("http"))
    address, _, fragment = link.partition("#")
    assert address == "https://app.example.com/"
    assert fragment.endswith(f"={TOKEN}")
    assert f'href="{link}"' in mail.html


@pytest.mark.parametrize("kind", MailKind)
def test_every_kind_of_mail_can_be_written(kind: MailKind):
    mail = compose(kind, "demo@example.com")

    assert mail.subject
    assert mail.text.strip()
    assert mail.html.startswith("<p>")


def test_the_developers_mailbox_is_refused_in_production(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENV", "production")
    forget_singletons()

    with pytest.raises(SettingsError, match="mailbox:// is for ENV=development"):
        mailer()


def test_the_error_for_an_unknown_mailer_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MAIL_URL", "smtp://user:secret@host")
    forget_singletons()

    with pytest.raises(SettingsError, match="mailbox://, none://, ses://") as refused:
        mailer()

    assert "secret" not in str(refused.value)
