"""Whatever a template holds, it is read or refused in words: never with a traceback."""

import copy
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from lampwork.errors import TemplateError
from lampwork.template.source.document import read_document
from tests.emulator.stacks import read_text
from tests.emulator.test_template_kinds import RESOURCES

ROOT: Final = Path(__file__).parents[2]
CHANGES_OF_A_SEED: Final = 8
# What people leave behind, and what no reader should trust: each is put in any place.
ODD: Final[tuple[Any, ...]] = (
    *(None, [], {}, "", 0, -1, 1.5, True, 10**30, "\0", "é" * 3000, ["a"], [None], [[]], [{}]),
    *("${x", "${}", "${AWS::Nope}", "a.b.c", "AWS::Region", "{{resolve:ssm:x}}", "{{resolve:"),
    *({"Ref": None}, {"Ref": []}, {"Ref": "Nobody"}, {"Ref": "AWS::NoValue"}, {"Ref": {"a": 1}}),
    *({"Fn::Sub": None}, {"Fn::Sub": []}, {"Fn::Sub": ["${a}"]}, {"Fn::Sub": ["${a}", None]}),
    *({"Fn::GetAtt": None}, {"Fn::GetAtt": "x"}, {"Fn::GetAtt": []}, {"Fn::GetAtt": [{}, "Arn"]}),
    *({"Fn::If": []}, {"Fn::If": ["c"]}, {"Fn::If": [{}, 1, 2]}, {"Fn::Join": ["", None]}),
    *({"Fn::Select": [0]}, {"Fn::Split": [",", None]}, {"Fn::FindInMap": ["a", "b"]}),
    *({"Fn::ImportValue": None}, {"Fn::ImportValue": "x"}, {"Fn::Transform": None}),
    *({"Fn::Base64": []}, {"Fn::Cidr": ["x", 1, 2]}, {"Fn::GetAZs": []}, {"Fn::Length": 3}),
)
NAMES: Final = ("Odd", "", "Type", "Properties", "Ref", "Fn::If", "Fn::Nope", "Fn::ForEach::X")


def templates() -> list[dict[str, Any]]:
    sam = [ROOT / "template.yaml", ROOT / "tests" / "emulator" / "templates" / "product.yaml"]
    return [{"Resources": RESOURCES}, *(read_document(each).content for each in sam)]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = enumerate(value) if isinstance(value, list) else ()
    for key, part in value.items() if isinstance(value, dict) else parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def change(template: dict[str, Any], chance: random.Random) -> str:
    """Put something odd into one place, remove what is there, or give it another name."""
    path = chance.choice(list(places(template)))
    around: Any = template
    for key in path[:-1]:
        around = around[key]
    kind = chance.random()
    if kind < 0.8:
        around[path[-1]] = copy.deepcopy(chance.choice(ODD))
    else:
        part = around.pop(path[-1])
        if kind < 0.9 and isinstance(around, dict):
            around[chance.choice(NAMES)] = part
    return ".".join(map(str, path))


@pytest.mark.parametrize("seed", range(3))
def test_an_odd_template_is_read_or_refused_in_words(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    known = templates()
    for _ in range(CHANGES_OF_A_SEED):
        template = copy.deepcopy(chance.choice(known))
        changed = [change(template, chance) for _ in range(chance.choice((1, 1, 2)))]
        text = yaml.safe_dump(template, sort_keys=False, allow_unicode=True)
        try:
            with suppress(TemplateError):
                read_text(tmp_path, text)
        except Exception as error:
            pytest.fail(f"{', '.join(changed)}: {error!r}")
