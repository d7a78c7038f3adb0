"""Removes one guard at a time from a copy of the source, and checks that a test notices:
`make mutations`."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("functions", "shared", "local", "migrations", "tests", "docs")
FILES = ("alembic.ini", "pyproject.toml", "template.yaml")
TESTS_FAILED = 1  # pytest's exit code where tests ran and some did not pass


@dataclass(frozen=True)
class Mutation:
    """A guard, how to remove it (by a text that occurs exactly once), and the test that must
    notice."""

    guard: str
    path: str
    text: str
    replacement: str
    test: str


MUTATIONS = (
    Mutation(
        guard="typ of access tokens",
        path="shared/security/access_tokens.py",
        text='typ: Literal["at+jwt"]',
        replacement="typ: str",
        test="tests/catalogue/test_access.py::test_a_forged_token_opens_nothing[D10 typ JWT]",
    ),
    Mutation(
        guard="aud of access tokens",
        path="shared/security/access_tokens.py",
        text='"strict_aud": True,',
        replacement='"verify_aud": False,',
        test="tests/catalogue/test_access.py::test_a_forged_token_opens_nothing[D7 other audience]",
    ),
    Mutation(
        guard="compare-and-set on the generation",
        path="shared/repositories/sessions.py",
        text='        UserSession.generation == bindparam("from_generation"),\n',
        replacement="",
        test="tests/catalogue/test_races.py::test_a_late_rotation_does_not_set_a_session_back",
    ),
    Mutation(
        guard="a link that is sent again is read behind the lock",
        path="shared/repositories/one_time_tokens.py",
        text="OneTimeToken, token_id, populate_existing=True)",
        replacement="OneTimeToken, token_id)",
        test="tests/catalogue/test_races.py"
        "::test_a_link_that_is_sent_again_during_an_undo_does_not_survive_it",
    ),
    Mutation(
        guard="the page's origin",
        path="shared/security/origins.py",
        text="    if not is_allowed(page):\n        raise CsrfRejected\n",
        replacement="",
        test="tests/catalogue/test_access.py::test_an_origin_that_resembles_ours_is_refused",
    ),
    Mutation(
        guard="the rate limit before the hash",
        path="shared/services/login.py",
        text="    await rate_limits.hit(*policies.login(client.ip, email), failures)\n"
        "    user, verdict = await _check_password(email, password, hasher)\n",
        replacement="    user, verdict = await _check_password(email, password, hasher)\n"
        "    await rate_limits.hit(*policies.login(client.ip, email), failures)\n",
        test="tests/catalogue/test_limits.py::test_only_five_of_a_hundred_attempts_at_once_are_hashed",
    ),
    Mutation(
        guard="a hash for an unknown address too",
        path="shared/services/login.py",
        text="    verdict = await hasher.verify(",
        replacement="    if user is None:\n        raise InvalidCredentials\n"
        "    verdict = await hasher.verify(",
        test="tests/integration/test_auth_login.py::test_every_failed_login_costs_one_hash",
    ),
    Mutation(
        guard="no members but the known ones",
        path="shared/schemas/base.py",
        text='extra="forbid"',
        replacement='extra="ignore"',
        test="tests/catalogue/test_register.py::test_a_sign_up_cannot_set_more_than_a_plain_account",
    ),
    Mutation(
        guard="the epoch of the account",
        path="shared/services/sessions.py",
        text=" or user.auth_epoch != claims.epoch",
        replacement="",
        test="tests/integration/test_auth_me.py::test_a_token_of_an_earlier_epoch_is_void",
    ),
    Mutation(
        guard="a good token for ending other sessions",
        path="shared/services/sessions.py",
        text=" if each.is_proven",
        replacement="",
        test="tests/integration/test_auth_logout.py::test_an_expired_token_ends_no_other_session",
    ),
    Mutation(
        guard="the origin's secret beside the viewer's address",
        path="shared/security/client_address.py",
        text="_comes_by_our_network(headers) and ",
        replacement="",
        test="tests/integration/test_viewer_address.py"
        "::test_whoever_comes_another_way_names_nobody",
    ),
    Mutation(
        guard="the loopback Host of a local process",
        path="shared/security/credentials.py",
        text='    if not client_address.is_loopback_host(headers.get("host")):\n'
        "        return False\n",
        replacement="",
        test="tests/unit/test_credentials.py::test_a_request_that_came_from_elsewhere_does_not",
    ),
    Mutation(
        guard="the unused successor of a token that comes again",
        path="shared/services/refresh_rotation.py",
        text="    if user_session.confirmed_generation == user_session.generation:\n"
        "        return False\n",
        replacement="",
        test="tests/integration/test_auth_replay.py"
        "::test_a_token_is_void_once_its_successor_was_used",
    ),
    Mutation(
        guard="the end of links with a reset",
        path="shared/services/passwords.py",
        text="        await revoke(session, used.user_id, event)\n",
        replacement="",
        test="tests/catalogue/test_links.py::test_an_event_ends_what_the_table_says",
    ),
    Mutation(
        guard="the reservation of an address that was left",
        path="shared/repositories/users.py",
        text="await self._refuse_reserved(user.email_canonical, owner_id=user.id)",
        replacement="pass",
        test="tests/catalogue/test_undo.py::test_nobody_signs_up_with_a_reserved_address",
    ),
    Mutation(
        guard="the end of a lock-out with a proven mailbox",
        path="shared/web/proven_mailbox.py",
        text="policies.login_failures(email, device=None), from_here",
        replacement="from_here",
        test="tests/integration/test_auth_limits.py"
        "::test_a_reset_by_mail_lets_the_owner_in_whoever_locked_the_account",
    ),
    Mutation(
        guard="no purge of an account that can come back",
        path="shared/repositories/purging.py",
        text="return ~exists().where(OneTimeToken.user_id == User.id, *unused(self.now))",
        replacement="return User.id.is_not(None)",
        test="tests/catalogue/test_undo.py::test_the_purge_leaves_an_account_that_an_undo_brings_back",
    ),
    Mutation(
        guard="the mark of a history that is pruned",
        path="shared/repositories/pruning.py",
        text="Task.history_pruned_at.is_(None), ",
        replacement="",
        test="tests/integration/test_pruning.py"
        "::test_a_history_that_is_pruned_is_not_looked_at_again[sqlite]",
    ),
    Mutation(
        guard="how many of an owner's tasks run at once",
        path="shared/engine/transitions.py",
        text="        has_room(),\n        status=TaskStatus.PROCESSING,",
        replacement="        status=TaskStatus.PROCESSING,",
        test="tests/integration/test_transitions.py"
        "::test_no_claim_goes_beyond_what_an_owner_may_run_at_once",
    ),
    Mutation(
        guard="the lock on the owner whose task is claimed",
        path="shared/engine/claiming.py",
        text="\n        .with_for_update(of=USERS, key_share=True, skip_locked=skip_locked)",
        replacement="",
        test="tests/integration/test_claiming.py"
        "::test_a_task_that_becomes_due_waits_for_a_claim_of_the_same_owner",
    ),
    Mutation(
        guard="one refusal for what is not confirmed and what does not exist",
        path="shared/services/login.py",
        text="raise _refusal() if _tokens_go_by_mail_alone() else EmailNotVerified",
        replacement="raise EmailNotVerified",
        test="tests/catalogue/test_strangers.py"
        "::test_a_sign_in_before_the_confirmation_is_refused_as_for_any_address",
    ),
    Mutation(
        guard="the one limit that every mail passes",
        path="shared/services/outgoing_mails.py",
        text="    refusal = await rate_limits.admit(*limits)\n",
        replacement="    refusal = None\n",
        test="tests/integration/test_mail_limits.py"
        "::test_one_network_causes_five_mails_of_all_kinds_a_day_to_a_mailbox",
    ),
    Mutation(
        guard="a count of mails for each asker",
        path="shared/limits/policies.py",
        text='limits.mail, f"{mailbox}/{asker}"',
        replacement="limits.mail, mailbox",
        test="tests/integration/test_mail_limits.py"
        "::test_five_requests_of_a_stranger_leave_the_owner_the_same_mail",
    ),
    Mutation(
        guard="one count of mails for all tags of an address",
        path="shared/limits/policies.py",
        text="pseudonym(email_addresses.mailbox(email))",
        replacement="pseudonym(email)",
        test="tests/integration/test_mail_limits.py"
        "::test_tags_of_one_address_share_the_limit_of_their_mailbox",
    ),
    Mutation(
        guard="one count of mails for all known devices",
        path="shared/limits/policies.py",
        text="        RateLimitPolicy(together, limits.mailbox, mailbox),\n",
        replacement="",
        test="tests/integration/test_mail_limits.py"
        "::test_known_devices_together_cause_one_mail_a_minute",
    ),
    Mutation(
        guard="the spelling that signed up",
        path="shared/services/outgoing_mails.py",
        text="compose(MailKind.VERIFY_EMAIL, address, token)",
        replacement="compose(MailKind.VERIFY_EMAIL, user.email, token)",
        test="tests/integration/test_outgoing_mails.py"
        "::test_a_link_to_confirm_goes_to_the_spelling_that_signed_up_with_it",
    ),
    Mutation(
        guard="common passwords under spaces and invisible characters",
        path="shared/security/password_policy.py",
        text="isdisjoint((folded, bare))",
        replacement="isdisjoint((folded,))",
        test="tests/unit/test_passwords.py"
        "::test_an_easily_guessed_password_is_refused_with_the_reason[pass word-common]",
    ),
    Mutation(
        guard="the count of those that wait for longest",
        path="shared/stream/waiting_requests.py",
        text="KEYS[1], last[2])",
        replacement="KEYS[1], ARGV[3])",
        test="tests/integration/test_long_poll.py"
        "::test_a_request_that_waits_briefly_makes_nobody_forget_those_that_wait_longer",
    ),
    Mutation(
        guard="no way back to the addresses in between",
        path="shared/services/email_change.py",
        text="    await tokens.delete_later(undoing)\n",
        replacement="",
        test="tests/catalogue/test_undo.py"
        "::test_an_account_that_comes_back_voids_the_links_of_all_addresses_in_between",
    ),
)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "source"
        copy_source(copy)
        if run_tests(copy, [mutation.test for mutation in MUTATIONS]) != 0:
            return say("The tests do not pass even with every guard in place.")
        missed = [mutation for mutation in MUTATIONS if not is_noticed(copy, mutation)]
    return say(f"{len(missed)} of {len(MUTATIONS)} guards can go unnoticed.") if missed else 0


def is_noticed(copy: Path, mutation: Mutation) -> bool:
    source = copy / mutation.path
    original = source.read_text()
    if original.count(mutation.text) != 1:
        raise SystemExit(f"{mutation.path} does not have exactly one: {mutation.text!r}")
    source.write_text(original.replace(mutation.text, mutation.replacement))
    noticed = run_tests(copy, [mutation.test]) == TESTS_FAILED
    source.write_text(original)
    say(f"{'noticed' if noticed else 'MISSED '} {mutation.guard}")
    return noticed


def copy_source(target: Path) -> None:
    target.mkdir()
    for folder in COPIED:
        shutil.copytree(
            ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in FILES:
        shutil.copy(ROOT / file, target / file)


def run_tests(copy: Path, tests: Sequence[str]) -> int:
    """Return pytest's exit code. No bytecode is written: after an edit of equal size within a
    second, Python would run the stale code."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    finished = subprocess.run(
        command,
        cwd=copy,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return finished.returncode


def say(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return 1


if __name__ == "__main__":
    sys.exit(main())
