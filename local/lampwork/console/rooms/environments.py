import time
from typing import ClassVar, Final

from lampwork.console.asking import Ask, Done, Refused, address
from lampwork.console.html import Html, e, joined, live, table
from lampwork.console.layout import form, hidden
from lampwork.console.room import Room
from lampwork.console.subject import Subject

MEBIBYTE: Final = 1024 * 1024


class Environments(Room):
    """The processes in which functions run."""

    name: ClassVar[str] = "environments"
    title: ClassVar[str] = "Environments"
    group: ClassVar[str] = "Running"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def show(self, ask: Ask) -> Html:
        now = time.monotonic()
        rows = [
            (
                each.function,
                each.state,
                each.pid or "—",
                f"{now - each.started:,.0f} s",
                each.requests,
                f"{each.memory_bytes / MEBIBYTE:,.0f} of {each.memory_limit_mb} MB",
                _recycle(each.function),
            )
            for each in self._subject.functions.report()
        ]
        return joined(
            [
                e(
                    "p",
                    "Each environment is a process of its own that serves one request at a time."
                    " Recycled ones end after their request; the next request starts a new one.",
                    class_="lead",
                ),
                live(
                    "environments",
                    (
                        table(
                            "Execution environments",
                            ("Function", "State", "Process", "Age", "Requests", "Memory", "Action"),
                            rows,
                        )
                        if rows
                        else e("p", "None runs: the first request starts one.", class_="empty")
                    ),
                ),
                form(self.name, "recycle", submit="Recycle all"),
            ]
        )

    async def act(self, ask: Ask) -> Done:
        if ask.form.get("do") != "recycle":
            raise Refused("There is no such action.")
        name = ask.form.get("function")
        if not self._subject.functions.recycle(name):
            raise Refused(f"No environment of {name!r} runs.")
        what = f"the environments of {name}" if name else "all environments"
        return Done(f"Recycled {what}.", address(self.name))


def _recycle(function: str) -> Html:
    label = f"Recycle {function}"
    return e(
        "form",
        hidden(do="recycle", function=function),
        e("button", "Recycle", aria_label=label),
        method="post",
        action=address("environments"),
    )
