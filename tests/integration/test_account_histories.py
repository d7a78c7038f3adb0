"""Accounts in any order of events, against a model: a thief who knows the password and has a
mailbox of their own, the owner of the first mailbox, and a stranger who has nothing."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from sqlalchemy import select

from shared import clock
from shared.database import transaction
from shared.errors import DomainError, EmailTaken
from shared.mail.port import Mail
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.models.user import User, UserStatus
from shared.process.event_loop import run
from shared.repositories.users import UserRepository
from shared.security import one_time_tokens
from shared.security.passwords import Verdict
from shared.services import account_deletion, email_change, passwords
from shared.services.forgotten_passwords import promise_reset
from shared.services.outgoing_mails import send_due
from shared.services.purging import purge
from shared.services.registration import register
from shared.services.revocation import ENDS, AccountEvent, revoke
from shared.services.sessions import Client, new_session

RESET, CHANGE, UNDO = (
    TokenPurpose.RESET_PASSWORD,
    TokenPurpose.CHANGE_EMAIL,
    TokenPurpose.UNDO_EMAIL_CHANGE,
)
PASSWORD = "another password altogether"
NOBODY = Client(ip=None, user_agent=None)
OWNER, THIEF, ACCOMPLICE = "owner", "thief", "accomplice"
MAILBOXES = st.sampled_from([OWNER, THIEF, ACCOMPLICE])
examples = count()


class TrustingHasher:
    """Every password is right, and hashing takes no time."""

    async def hash(self, password: str) -> str:
        return f"hash {next(examples)}"

    async def verify(self, password: str, stored: str | None) -> Verdict:
        return Verdict(correct=stored is not None)


class Mailboxes:
    def __init__(self) -> None:
        self.taken: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        self.taken.append(mail)


@dataclass(frozen=True)
class Link:
    token: str
    purpose: TokenPurpose
    mailbox: str
    created_at: datetime
    expires_at: datetime


class AccountLife(RuleBasedStateMachine):
    """One account, and everything that was ever mailed about it."""

    @initialize(moved=st.booleans())
    def open(self, moved: bool) -> None:
        self.number, self.mailboxes = next(examples), Mailboxes()
        self.links: list[Link] = []
        self.dead: set[str] = set()
        self.session_id: UUID | None = None
        self.time = time_machine.travel(clock.now(), tick=True)
        self.traveller = self.time.start()
        self.user_id = run(self._open())
        self.sign_in()
        if moved:
            self.ask_for_change(THIEF)
            self._read_mails()
            run(email_change.confirm_change(self._of(CHANGE)[0].token))
            self._happened(AccountEvent.ADDRESS_CHANGED)

    async def _open(self) -> UUID:
        address = self._address(OWNER)
        async with transaction() as session:
            user = User(
                email=address,
                email_canonical=address,
                status=UserStatus.ACTIVE,
                password_hash="hash",
            )
            session.add(user)
        return user.id

    def teardown(self) -> None:
        if not hasattr(self, "time"):
            return
        try:
            self._owner_takes_the_account_back()
        finally:
            self.time.stop()

    def _owner_takes_the_account_back(self) -> None:
        """Whatever happened, the last resort is what the documentation promises."""
        undoing = [link for link in self._usable(UNDO) if link.mailbox == OWNER]
        if undoing:
            run(email_change.confirm_change(undoing[0].token))
            user = run(self._account())
            assert user is not None
            assert (user.email, user.deleted_at, user.password_hash) == (
                self._address(OWNER),
                None,
                None,
            )

    @rule()
    def sign_in(self) -> None:
        user = run(self._account())
        if user is None or user.deleted_at is not None or user.password_hash is None:
            return

        async def begin() -> UUID:
            user_session = new_session(user, NOBODY, remember=True)
            async with transaction() as session:
                session.add(user_session)
            return user_session.id

        self.session_id = run(begin())

    @precondition(lambda self: self.session_id)
    @rule(to=MAILBOXES)
    def ask_for_change(self, to: str) -> None:
        self._try(
            email_change.request_change(
                self.user_id, self.session_id, self._address(to), asker="tests"
            )
        )

    @precondition(lambda self: self._of(CHANGE))
    @rule(data=st.data())
    def confirm_change(self, data: st.DataObject) -> None:
        link = data.draw(st.sampled_from(self._of(CHANGE)))
        works = self._works(link)
        try:
            run(email_change.confirm_change(link.token))
        except EmailTaken:
            assert works, "a dead link tells nothing"
        except DomainError:
            assert not works
        else:
            assert works
            self.dead.add(link.token)
            self._happened(AccountEvent.ADDRESS_CHANGED)
            self._came_back_to(link.mailbox)

    @precondition(lambda self: self._of(UNDO))
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        link = data.draw(st.sampled_from(self._of(UNDO)))
        works = self._works(link)
        assert self._try(email_change.confirm_change(link.token)) is works, link
        if works:
            self._happened(AccountEvent.CHANGE_UNDONE)
            later = {
                each.token
                for each in self._of(UNDO)
                if each.created_at > link.created_at or each.mailbox == link.mailbox
            }
            self.dead |= later

    @rule(at=MAILBOXES)
    def forget_password(self, at: str) -> None:
        run(promise_reset(self._address(at), asker="tests"))

    @precondition(lambda self: self._of(RESET))
    @rule(data=st.data())
    def reset_password(self, data: st.DataObject) -> None:
        link = data.draw(st.sampled_from(self._of(RESET)))
        works = self._works(link)
        reset = passwords.reset_password(link.token, PASSWORD, TrustingHasher())
        assert self._try(reset) is works
        if works:
            self.dead.add(link.token)
            self._happened(AccountEvent.PASSWORD_RESET)

    @precondition(lambda self: self.session_id)
    @rule()
    def change_password(self) -> None:
        changed = passwords.change_password(
            self.user_id,
            self.session_id,
            current="x",
            new=PASSWORD,
            client=NOBODY,
            hasher=TrustingHasher(),
        )
        if self._try(changed):
            self._happened(AccountEvent.PASSWORD_CHANGED)

    @precondition(lambda self: self.session_id)
    @rule()
    def sign_out_everywhere(self) -> None:
        async def sign_out() -> None:
            async with transaction() as session:
                await revoke(session, self.user_id, AccountEvent.SIGNED_OUT_EVERYWHERE)

        run(sign_out())
        self._happened(AccountEvent.SIGNED_OUT_EVERYWHERE)

    @precondition(lambda self: self.session_id)
    @rule()
    def delete(self) -> None:
        if self._try(account_deletion.delete_account(self.user_id, self.session_id)):
            self._happened(AccountEvent.DELETED)

    @rule(address=MAILBOXES)
    def sign_up_as_stranger(self, address: str) -> None:
        """Nobody confirms it: strangers have none of these mailboxes."""
        self._try(register(self._address(address), PASSWORD, TrustingHasher(), "stranger"))

    @rule(days=st.sampled_from([0.04, 1.1, 3, 8, 31]), purges=st.booleans())
    def let_time_pass(self, days: float, purges: bool) -> None:
        self.traveller.shift(timedelta(days=days))
        if purges:
            run(purge())

    @invariant()
    def links_live_and_die_by_the_table(self) -> None:
        self._read_mails()
        found = run(self._alive())
        for link in self.links:
            hashed = one_time_tokens.fingerprint(link.token, link.purpose)
            assert (hashed in found) is self._works(link), link

    @invariant()
    def an_address_that_can_come_back_is_kept_for_the_account(self) -> None:
        owners = run(self._owners())
        for link in self._usable(UNDO):
            assert owners.get(self._address(link.mailbox), self.user_id) == self.user_id
            assert run(self._account()) is not None

    def _try(self, action: Any) -> bool:
        try:
            run(action)
        except DomainError:
            return False
        return True

    def _happened(self, event: AccountEvent) -> None:
        ends = ENDS[event]
        self.dead |= {link.token for link in self.links if link.purpose in ends.links}
        if ends.sign_ins is not None:
            self.session_id = None

    def _came_back_to(self, mailbox: str) -> None:
        left = [each.created_at for each in self._usable(UNDO) if each.mailbox == mailbox]
        if left:
            self.dead |= {each.token for each in self._of(UNDO) if each.created_at > min(left)}

    def _works(self, link: Link) -> bool:
        return link.token not in self.dead and clock.now() < link.expires_at

    def _of(self, purpose: TokenPurpose) -> list[Link]:
        return [link for link in self.links if link.purpose is purpose]

    def _usable(self, purpose: TokenPurpose) -> list[Link]:
        return [link for link in self._of(purpose) if self._works(link)]

    def _address(self, mailbox: str) -> str:
        return f"{mailbox}-{self.number}@example.com"

    def _read_mails(self) -> None:
        run(send_due(self.mailboxes))
        for mail in self.mailboxes.taken:
            found = re.search(r"#[a-z-]+=((pr1|ec1|eu1)_\S+)", mail.text)
            if found and mail.recipient.endswith(f"-{self.number}@example.com"):
                purpose = one_time_tokens.purpose_of(found[1], among=(RESET, CHANGE, UNDO))
                self.links += run(self._link(found[1], purpose, mail.recipient.partition("-")[0]))
        self.mailboxes.taken.clear()

    async def _link(self, token: str, purpose: TokenPurpose, mailbox: str) -> list[Link]:
        """The link, unless it is about the sign-up of a stranger."""
        async with transaction(writing=False) as session:
            row = await session.scalar(
                select(OneTimeToken).where(
                    OneTimeToken.token_hash == one_time_tokens.fingerprint(token, purpose)
                )
            )
        if row is None or row.user_id != self.user_id:
            return []
        return [Link(token, purpose, mailbox, row.created_at, row.expires_at)]

    async def _alive(self) -> set[bytes]:
        async with transaction(writing=False) as session:
            found = await session.scalars(
                select(OneTimeToken.token_hash).where(
                    OneTimeToken.user_id == self.user_id,
                    OneTimeToken.consumed_at.is_(None),
                    OneTimeToken.expires_at > clock.now(),
                )
            )
            return set(found)

    async def _owners(self) -> dict[str, UUID]:
        async with transaction(writing=False) as session:
            found = await session.execute(select(User.email_canonical, User.id))
            return {address: user_id for address, user_id in found}

    async def _account(self) -> User | None:
        async with transaction(writing=False) as session:
            return await UserRepository(session).get(self.user_id)


@pytest.mark.case("I13")
@pytest.mark.usefixtures("application")
def test_links_and_addresses_obey_the_rules_in_any_order_of_events():
    run_machine(
        AccountLife,
        settings=settings(
            max_examples=10,
            stateful_step_count=12,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
