"""The abuse catalogue: attacks on accounts and tasks, and what must come of each.

A test says which case it shows by `@pytest.mark.case("A14")`, or by `case("A14", ...)` for one row
of a table. `tests/catalogue/test_complete.py` holds tests and catalogue together; the gateway, not
a function, answers a method that no route has (404).
"""

from typing import Any

import pytest

REGISTER = {
    "A1": "no body: 422",
    "A2": "a list, null or a text for a body: 422",
    "A3": "JSON sent as text/plain: 415",
    "A4": "JSON without a content type: 415",
    "A5": "a form: 415",
    "A6": "UTF-16, a byte order mark: 400 or 415",
    "A7": "bytes that are no UTF-8: 400",
    "A8": "half a surrogate pair in the password: 422",
    "A9": "NaN and Infinity: 400",
    "A10": "NUL in any text: 422",
    "A11": "brackets nested too deep for a parser: 400, or 413 by their number",
    "A12": "a password of a megabyte: 413, at no cost",
    "A13": "a member given twice: 400",
    "A14": "members that would create an administrator: 422, and no account",
    "A15": "a password of 7 characters: 422, and the answer does not repeat it",
    "A16": "a password of 128 characters is good, of 129 refused",
    "A17": "a password from the list of common ones: 422 weak_password",
    "A18": "the address as the password: 422",
    "A19": "emoji, spaces and a leading blank count in a password",
    "A20": "a password that differs after 72 bytes is another one",
    "A21": "an address with a display name: 422",
    "A22": "an address with a line end: 422",
    "A23": "a local part of 65 characters: 422",
    "A24": "an address in capitals is the same: 409, or 201 by mail; one account",
    "A25": "an international domain and its punycode are the same",
    "A26": "20 concurrent sign-ups with one address: one account, no internal error",
    "A27": "another site's page: 403",
    "A28": "metacharacters of SQL and templates are kept as they are",
    "A29": "__proto__, 10,000 members: 422, or 413 by their size",
    "A30": "GET: 405 with Allow from the function",
}
VERIFY = {
    "B1": "a token works once, then token_already_used; neither signs anybody in",
    "B2": "an unknown token: 400",
    "B3": "an expired token: 400, the same answer",
    "B4": "GET and HEAD do not use a token up",
    "B5": "the token twice in the query: 400",
    "B6": "query and body differ: 400",
    "B7": "50 concurrent verifications: one activation",
    "B8": "a token for another purpose: 400",
    "B9": "another spelling of a token: 400",
    "B10": "no token in the access log",
    "B11": "somebody else signs up with a pending address: the mailbox's owner decides",
    "B12": "ten requests to resend: 202 each, one mail",
}
LOGIN = {
    "C1": "a wrong password: 401, as for an unknown address",
    "C2": "an unknown address: the same answer, byte for byte",
    "C3": "a pending account: 401 for a wrong password, 403 for the right one",
    "C4": "a disabled account and a wrong password: 401",
    "C5": "an empty password: 422 for known and unknown",
    "C6": "the sixth attempt of a minute: 429 with Retry-After, also with the right password",
    "C7": "after that minute: 200",
    "C8": "100 concurrent attempts: no more than 5 are hashed",
    "C9": "other addresses in forwarding headers do not help",
    "C10": "other spellings of the address do not help",
    "C11": "successful sign-ins do not reset the count of a network address",
    "C12": "attempts on 31 accounts from one network address: 429",
    "C13": "failures from everywhere delay attackers, not the owner's own device",
    "C14": "without Redis: still limited, still possible",
    "C15": "a hash of older parameters: 200, and it is replaced",
    "C16": "a damaged hash: 401",
    "C17": "a planted session: the login gets a new one, and the old one ends",
    "C18": "another site's form: 403 and no cookie",
    "C19": "a list or an object for a password: 422",
    "C20": "only cookies requested: no token in the body",
    "C21": "a password above the maximum length: 422, not hashed",
}
ACCESS = {
    "D1": "alg none in any spelling",
    "D2": "the public key used as a secret",
    "D3": "an unknown key, a path, SQL, a number or a list as kid",
    "D4": "a key or an address of one in the header: refused, nothing is fetched",
    "D5": "expired by 11 seconds: 401; by 9: 200",
    "D6": "from the future",
    "D7": "another issuer, another audience, a list of audiences",
    "D8": "without any one of the claims",
    "D9": "exp as text, far away, or true",
    "D10": "another typ",
    "D11": "a refresh token as a bearer token",
    "D12": "padding, more dots",
    "D13": "a claim twice",
    "D14": "an object for sid; the session of another user",
    "D15": "a deleted, a disabled account",
    "D16": "5 KiB, a megabyte: 401 or 431",
    "D17": "Bearer in upper or lower case; no other scheme",
    "D18": "two Authorization headers: 400",
    "D19": "a valid cookie does not make up for a bad token",
    "D20": "the previous key passes, a retired one does not",
    "D21": "the published keys hold no private half",
    "D22": "a sub that is no UUID",
    "D23": "the token of another deployment",
}
REFRESH = {
    "E1": "a token gives the next one; used again it ends the session",
    "E2": "50 concurrent refreshes: one step, one child",
    "E3": "eight tabs of a browser: nobody is signed out",
    "E4": "a lost answer: the same Idempotency-Key gets the same child, another ends the session",
    "E5": "the parent after its child was used: the session ends",
    "E6": "a grandparent: the session ends",
    "E7": "a forged token for a real session: 401, the session lives",
    "E8": "another spelling, another alphabet, nothing, a megabyte: refused",
    "E9": "an access token: 401",
    "E10": "two idle weeks, a month in all: 401",
    "E11": "a refresh that overlaps a logout: nothing stays alive",
    "E12": "a disabled account, a changed password: 401",
    "E13": "the token of the body counts, not the cookie; a used one ends its session",
    "E14": "the database is unavailable: 503, cookies stay",
    "E15": "another site's page: 403, nothing is used up",
    "E16": "31 in a minute: 429, nothing is used up",
    "E17": "a token of an unknown key: 401",
    "E18": "clocks 5 seconds apart: no false alarm",
}
SESSIONS = {
    "F1": "a logout ends access token and refresh token at once",
    "F2": "twice, with nothing, expired, garbage: 204 and the cookies go",
    "F3": "cookies are deleted with the attributes they were set with",
    "F4": "scope=others keeps this session",
    "F5": "another user's session cannot be ended: 404",
    "F6": "the list of sessions shows no token and no hash",
    "F7": "a banned user no longer sees anything",
    "F8": "the account shows nothing internal and is not cached",
    "F9": "HEAD and OPTIONS change nothing",
    "F10": "another site's preflight is not allowed anything",
    "F11": "an origin that only resembles ours: 403 for a cookie",
}
COOKIES = {
    "G1": "names that resemble ours are ignored",
    "G2": "a name twice: 401",
    "G3": "names of the other mode are ignored",
    "G4": "100 cookies, 16 KiB: no internal error",
    "G5": "a refresh token in the access cookie: 401",
}
TASKS = {
    "H1": "a socket without credentials is refused before it opens",
    "H2": "somebody else's task and a missing one look alike",
    "H3": "a socket with a cookie from another site's page: refused",
    "H4": "a socket with a cookie and no Origin: refused",
    "H5": "a ticket again, for another task, another user, or late: refused",
    "H6": "a token sent as a subprotocol is not echoed",
    "H7": "X-User-Id from the internet is ignored",
    "H8": "a trusted gateway needs its secret, one UUID, and no other user's token",
    "H9": "a token that expires, or is renewed by somebody else, ends its stream",
    "H10": "a logout closes the stream within a second",
    "H11": "frames too large or too many close the socket",
    "H12": "a socket above the limit is refused",
    "H13": "an invalid task id: 404 or 422",
    "H14": "no link to somebody else's or an unfinished picture; links expire",
    "H15": "a task for another user: 422",
    "H16": "a message cannot name an owner: additional members are dropped",
}
ACCOUNT = {
    "I1": "a forgotten password for an unknown address: 202, as for a known one",
    "I2": "links never follow the Host header",
    "I3": "a reset token again, late, or of another purpose: 400",
    "I4": "a reset ends sessions and other tokens",
    "I5": "a change with a wrong password: 401, the sixth 429",
    "I6": "a change to a taken address: 202 as for a free one, fails at the confirmation",
    "I7": "no deletion without a fresh sign-in: 403",
    "I8": "nothing works for a deleted account",
    "I9": "no password, token, cookie or link in any log",
    "I10": "an internal error is a problem without a traceback",
    "I11": "what takes the power back ends every link and sign-in that had it",
}
CATALOGUE = {
    **REGISTER,
    **VERIFY,
    **LOGIN,
    **ACCESS,
    **REFRESH,
    **SESSIONS,
    **COOKIES,
    **TASKS,
    **ACCOUNT,
}

# Sockets have tests of their own, in tests/integration/streaming and tests/e2e/test_stream.py.
OF_THE_STREAM = {
    "H1": "a socket's handshake",
    "H3": "a socket's handshake",
    "H4": "a socket's handshake",
    "H5": "tickets open sockets",
    "H6": "a socket's handshake",
    "H9": "an open socket",
    "H10": "an open socket",
    "H11": "an open socket",
    "H12": "open sockets",
}


def case(identifier: str, *values: Any, name: str | None = None) -> Any:
    """One row of a table of arguments that shows a case of the catalogue."""
    label = f"{identifier} {name or repr(values[0])}"
    return pytest.param(*values, marks=pytest.mark.case(identifier), id=label[:50])
