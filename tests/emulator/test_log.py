"""What the emulator prints and stores when writing fails."""

import asyncio
from contextlib import suppress
from io import StringIO
from pathlib import Path

from lampwork.logs.log import Log
from lampwork.logs.tracebacks import readable
from lampwork.runtime import client


async def test_a_full_disk_is_reported_once_and_every_line_is_still_printed(
    tmp_path: Path,
) -> None:
    (tmp_path / "lampwork.log").symlink_to("/dev/full")
    printed = StringIO()
    log = Log(printed)
    log.open(tmp_path)

    for number in range(1000):
        log.line("App", f"line {number} of many")
        if number % 100 == 0:
            await asyncio.sleep(0.03)
    log.close()

    assert printed.getvalue().count(" of many\n") == 1000
    assert printed.getvalue().count("The log file cannot be written: No space left on device.") == 1


async def test_a_terminal_that_cannot_be_written_leaves_the_log_file_as_it_was(
    tmp_path: Path,
) -> None:
    # Closing it fails too.
    with suppress(OSError), Path("/dev/full").open("w") as terminal:
        log = Log(terminal)
        log.open(tmp_path)

        log.line("App", "first")
        await asyncio.sleep(0.1)
        log.line("App", "second")
        log.close()

    entries = (tmp_path / "lampwork.log").read_text().splitlines()
    assert [entry.split("\t")[1:] for entry in entries] == [
        ["App", "", "first"],
        ["App", "", "second"],
    ]


def test_frames_of_lampwork_itself_are_folded():
    lines = [
        "Traceback (most recent call last):",
        f'  File "{client.__file__}", line 45, in serve',
        "    bootstrap.run(handler)",
        '  File "/app/odd.py", line 2, in handler',
        "    raise KeyboardInterrupt",
        "KeyboardInterrupt",
    ]

    assert readable(lines, colours=False) == [lines[0], "  … a frame of lampwork", *lines[3:]]


def test_a_traceback_that_a_worker_indents_is_folded_like_any_other():
    printed = StringIO()
    log = Log(printed)

    for line in (
        "[ERROR] It failed",
        "    Traceback (most recent call last):",
        f'      File "{client.__file__}", line 45, in serve',
        "        bootstrap.run(handler)",
        '      File "/app/odd.py", line 2, in handler',
        "        raise ValueError",
        "    ValueError",
        "[INFO] It goes on",
    ):
        log.line("worker", line)

    entries = printed.getvalue()
    assert "… a frame of lampwork" in entries
    assert 'File "/app/odd.py", line 2, in handler' in entries
    assert "bootstrap" not in entries
    assert entries.splitlines()[-1].endswith("worker         [INFO] It goes on")
