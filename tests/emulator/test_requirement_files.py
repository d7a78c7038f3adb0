"""requirements.txt as pip takes it: https://pip.pypa.io/en/stable/reference/requirements-file-format/"""

from pathlib import Path

import pytest

from lampwork.app.packages.requirement_files import Requirements, read_requirements
from lampwork.errors import ConfigurationError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("app", "app/lib", "shared/src/x", "wheels", "with blank"):
        (tmp_path / folder).mkdir(parents=True)
    for project in ("app/lib", "shared", "shared/src/x", "with blank"):
        (tmp_path / project / "pyproject.toml").write_text('[project]\nname = "inner"\n')
    (tmp_path / "app" / "six-1.0-py3-none-any.whl").touch()
    return tmp_path


def read(root: Path, text: str, **more: str) -> Requirements:
    for name, content in {"requirements": text, **more}.items():
        (root / "app" / f"{name}.txt").write_text(content)
    return read_requirements(root / "app" / "requirements.txt", root)


@pytest.mark.parametrize(
    ("line", "read_as"),
    [
        ("boto3", "boto3"),
        ("boto3[crt] >= 1.40 ; python_version < '4'  # ours", None),
        ("six==1.0 --hash=sha256:abc", "six==1.0 --hash=sha256:abc"),
        ("git+https://example.com/x.git@v1#egg=x", "git+https://example.com/x.git@v1#egg=x"),
        ("x @ https://example.com/x.whl", "x @ https://example.com/x.whl"),
        ("https://example.com/x.whl", "https://example.com/x.whl"),
        ("-e git+https://example.com/x.git#egg=x", "-e git+https://example.com/x.git#egg=x"),
        ("--no-index", "--no-index"),
        ("--index-url=https://example.com", "--index-url=https://example.com"),
        ("../shared", "-e {root}/shared"),
        ("-e ../shared", "-e {root}/shared"),
        ("-e../shared", "-e {root}/shared"),
        ("--editable=../shared", "-e {root}/shared"),
        ("../shared/src/x/", "-e {root}/shared/src/x"),
        ("./lib[extra]", "-e {root}/app/lib[extra]"),
        ("-e lib", "-e {root}/app/lib"),
        ("-e .//lib", "-e {root}/app/lib"),
        ("./lib ; python_version > '3'", "-e {root}/app/lib ; python_version > '3'"),
        ("file:../shared", "-e {root}/shared"),
        ("file://{root}/shared", "-e {root}/shared"),
        ("inner @ file:../shared", "-e {root}/shared"),
        ("inner[more] @ file://{root}/shared", "-e {root}/shared[more]"),
        ("six-1.0-py3-none-any.whl", "{root}/app/six-1.0-py3-none-any.whl"),
        ("./six-1.0-py3-none-any.whl", "{root}/app/six-1.0-py3-none-any.whl"),
        ("../with%20blank", None),
        ("file:../with%20blank", "-e file://{root}/with%20blank"),
        ("-f ../wheels", "--find-links {root}/wheels"),
        ("--find-links https://example.com/wheels", "--find-links https://example.com/wheels"),
        # As pip and `sam build` take it when they are started in the template's folder.
        ("./shared", "-e {root}/shared"),
    ],
)
def test_local_paths_are_found_and_all_else_is_left_as_it_is(
    root: Path, line: str, read_as: str | None
) -> None:
    line = line.format(root=root)
    if read_as is None and "%" in line:
        with pytest.raises(ConfigurationError, match=r"requirements.txt:1: there is no "):
            read(root, line)
        return
    expected = line.split("  #")[0] if read_as is None else read_as.format(root=root)

    assert read(root, line).lines == [expected]


def test_included_files_and_constraints_belong_to_it(root: Path) -> None:
    read_ = read(
        root,
        "-r more.txt\n-c limits.txt\nboto3\n",
        more="-r requirements.txt\nsix\n",
        limits="six<2",
    )

    assert read_.lines == ["six", f"-c {root}/app/limits.txt", "boto3"]
    assert read_.files == [
        root / "app" / f"{each}.txt" for each in ("requirements", "more", "limits")
    ]
    assert read_.names == ["six", "boto3"]


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("six", True),
        ("-e ../shared", True),
        ("-r https://example.com/all.txt", True),
        ("--index-url https://example.com\n-c limits.txt\n# six", False),
    ],
)
def test_options_alone_ask_for_nothing(root: Path, text: str, asks: bool) -> None:
    assert read(root, text, limits="six<2").asks is asks


def test_a_line_may_go_on_in_the_next(root: Path) -> None:
    assert read(root, "six==1.0 \\\n  --hash=sha256:abc\n# no \\\nboto3\n").lines == [
        "six==1.0    --hash=sha256:abc",
        "boto3",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_files_of_windows_are_read(root: Path, encoding: str, newline: str) -> None:
    text = f"# é{newline}boto3{newline}{newline}"
    (root / "app" / "requirements.txt").write_bytes(text.encode(encoding))

    assert read_requirements(root / "app" / "requirements.txt", root).lines == ["boto3"]


def test_names_are_of_packages_that_are_needed_everywhere(root: Path) -> None:
    read_ = read(
        root, "Six\nwin32 ; sys_platform == 'win32'\n-e ../shared\nx @ https://e.com/x.whl\n"
    )

    assert read_.names == ["Six", "x"]
    assert read_.projects == ["inner"]


def test_variables_in_paths_are_those_of_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE", str(root))
    monkeypatch.setenv("TOKEN", "secret")

    read_ = read(root, "-e ${WHERE}/shared\n--index-url=https://${TOKEN}@example.com\n")

    assert read_.lines == [f"-e {root}/shared", "--index-url=https://${TOKEN}@example.com"]


@pytest.mark.parametrize("line", ["-r absent.txt", "-c absent.txt", "./absent", "-f absent"])
def test_a_file_that_is_not_there_is_named_with_the_line(root: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"app/requirements.txt:2: there is no .*absent"):
        read(root, f"# ours\n{line}\n")
