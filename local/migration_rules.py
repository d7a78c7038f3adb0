"""What a revision may do while the code before it still runs, and keeps running if a deployment is
rolled back: a schema first expands, then code changes, and a later revision contracts.

A revision that only takes away what no deployed code uses says so by `contracts = "why"`.
docs/operations.md explains each rule.
"""

import re
from collections.abc import Iterable, Iterator

# Each statement of PostgreSQL that code in use, or requests under way, would not survive.
TAKES_AWAY = {
    r"\bDROP TABLE\b": "code in use may still read the table",
    r"\bDROP COLUMN\b": "code in use may still read the column",
    r"\bRENAME\b": "code in use knows the old name: add the new one beside it",
    r"\bALTER COLUMN \S+ TYPE\b": "it rewrites the table, and code in use knows the old type",
    r"\bSET NOT NULL\b": "code in use may still write rows without it",
    r"\bADD COLUMN\b(?=.*\bNOT NULL\b)(?!.*\bDEFAULT\b)": (
        "code in use writes rows without the column: give it a server_default"
    ),
    r"\bADD CONSTRAINT\b(?!.*\bNOT VALID\b)": (
        "it reads the whole table while nobody may write, and code in use may break it"
    ),
}
LOCKS = {
    r"\bCREATE (UNIQUE )?INDEX (?!IF NOT EXISTS)\S+ ON (?P<table>\S+)": (
        "nobody may write while it is made: let the operator make it beforehand with"
        " CREATE INDEX CONCURRENTLY, and give if_not_exists=True"
    ),
}


def problems(statements: Iterable[str], *, contracts: bool = False) -> Iterator[str]:
    """What is wrong with the SQL of one revision; tables that it makes itself are its own."""
    own: set[str] = set()
    for statement in statements:
        sql = " ".join(statement.split())
        if made := re.match(r"CREATE TABLE (\S+)", sql, re.I):
            own.add(made[1])
            continue
        if (altered := re.match(r"ALTER TABLE (\S+)", sql, re.I)) and altered[1] in own:
            continue
        for pattern, why in TAKES_AWAY.items():
            if not contracts and re.search(pattern, sql, re.I):
                yield f"{sql}: {why}"
        for pattern, why in LOCKS.items():
            found = re.search(pattern, sql, re.I)
            if found and found["table"] not in own:
                yield f"{sql}: {why}"
