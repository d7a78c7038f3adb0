"""The files that functions read and write, as the emulator learns of them."""

import os
from pathlib import Path

import pytest

from lampwork.app.read_files import ReadFiles
from lampwork.runtime.read_files import FileUse, state_of
from tests.emulator.runtime_fixtures import function, running, write

READS = """
    import sqlite3, tempfile
    from pathlib import Path
    import beside

    Path("words.txt").read_text()

    def handler(event, context):
        if event["read"]:
            try:
                Path(event["read"]).read_bytes()
            except FileNotFoundError:
                pass
        if event["write"]:
            with open(event["write"], "a") as file:
                file.write("x")
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        open("/proc/self/stat").close()
        if event["fail"]:
            raise ValueError
"""


@pytest.mark.parametrize("cold", [False, True])
async def test_a_function_tells_which_of_the_users_files_it_opens(
    tmp_path: Path, cold: bool
) -> None:
    uses: list[FileUse] = []
    app = function(tmp_path / "code", READS)
    write(tmp_path / "code", "beside", "import json, jwt")
    for name in ("code/words.txt", "outside.csv", "late.sql"):
        (tmp_path / name).write_text("words")

    def new() -> dict[str, bool]:
        found = {os.path.relpath(use.path, tmp_path): use.written for use in uses}
        uses.clear()
        return found

    async with running(app, cold=cold, on_files=uses.extend) as run:
        event = {"read": "../outside.csv", "write": "", "fail": False}
        await run.result(event=event)
        first = new()
        await run.result(event=event)
        again = new()
        await run.error(event={"read": "../late.sql", "write": "log.txt", "fail": True})
        failed = new()
        await run.result(event={**event, "read": "absent.env"})
        absent = list(uses)

    assert first == {
        "code/app.py": False,
        "code/beside.py": False,
        "code/words.txt": False,
        "outside.csv": False,
    }
    assert again == {}
    assert failed == {"late.sql": False, "code/log.txt": True}
    assert absent == [FileUse(str(tmp_path / "code" / "absent.env"), None)]


def used(file: Path, *, written: bool = False) -> FileUse:
    return FileUse(str(file), state_of(str(file)), written)


def test_an_edited_a_new_and_a_deleted_file_are_edited(tmp_path: Path) -> None:
    files = ReadFiles()
    kept, edited, deleted, new = (tmp_path / each for each in ("kept", "edited", "deleted", "new"))
    for file in (kept, edited, deleted):
        file.write_text("1")
    files.add([used(file) for file in (kept, edited, deleted, new)])
    assert files.edited() == set()

    edited.write_text("22")
    deleted.unlink()
    new.write_text("1")

    assert files.edited() == {str(edited), str(deleted), str(new)}
    files.forget()
    assert files.edited() == set()


def test_a_file_that_was_edited_before_its_reader_could_tell_is_edited(tmp_path: Path) -> None:
    files = ReadFiles()
    file = tmp_path / "words.txt"
    file.write_text("1")
    read = used(file)
    file.write_text("22")

    files.add([read])

    assert files.edited() == {str(file)}


def test_an_edit_of_what_a_link_leads_to_is_an_edit(tmp_path: Path) -> None:
    files = ReadFiles()
    (tmp_path / "there").write_text("1")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    files.add([used(tmp_path / "link")])

    (tmp_path / "there").write_text("22")

    assert files.edited() == {str(tmp_path / "link")}


def test_what_a_function_writes_itself_is_no_edit(tmp_path: Path) -> None:
    files = ReadFiles()
    file = tmp_path / "state.json"
    files.add([used(file)])
    file.write_text("{}")
    files.add([used(file, written=True)])

    assert files.edited() == set()
    assert files.is_written(str(file))
