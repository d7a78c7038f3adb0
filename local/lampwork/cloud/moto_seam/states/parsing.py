"""Reads definitions as AWS does where moto's parser differs.

Importing this module loads the interpreter.
"""

import base64
import json
import re
import threading
from typing import Any, Final

from moto.stepfunctions.parser.asl.component.common.error_name import custom_error_name
from moto.stepfunctions.parser.asl.component.intrinsic.argument import argument
from moto.stepfunctions.parser.asl.component.intrinsic.function.statesfunction.generic import (
    string_format,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_factory,
)
from moto.stepfunctions.parser.asl.parse import preprocessor
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.intrinsic import preprocessor as intrinsic_preprocessor
from moto.stepfunctions.parser.asl.parse.intrinsic.intrinsic_parser import IntrinsicParser

# The comment of an item processor that carries what its Map says of batches, which moto's grammar
# does not have.
BATCHES: Final = "lampwork-batches:"
# These stand for escaped braces in a text until it is formatted, and for ends of lines and tabs,
# which moto's grammar does not take.
BRACES: Final = {"\\{": "\ue000", "\\}": "\ue001"}
SPACES: Final = str.maketrans({"\n": "\ue002", "\r": "\ue003", "\t": "\ue004"})
PLAIN: Final = str.maketrans(
    {"\ue000": "{", "\ue001": "}", "\ue002": "\n", "\ue003": "\r", "\ue004": "\t"}
)
# Services that AWS integrates and nothing here does: a task of one fails, the rest runs.
WITHOUT_TASKS: Final = ("http",)
# What moto's grammar takes of an ItemReader. The template's reader names the rest as not emulated.
READER_CONFIG: Final = frozenset(
    ("InputType", "CSVHeaderLocation", "CSVHeaders", "MaxItems", "MaxItemsPath")
)
FILE_TYPES: Final = frozenset(("CSV", "JSON"))

_parsing = threading.Lock()


def parsed(definition: str, longest: int | None = None) -> Any:
    """The program of a definition, which runs for at most `longest` seconds.

    Raises:
        Exception: it is malformed; the parser raises any kind.
    """
    with _parsing:  # the parser keeps the query language of what it reads for all threads
        kind: Any = preprocessor.Preprocessor
        kind._query_language_per_scope = []
        return AmazonStateLanguageParser.parse(prepared(definition, longest))[0]


def prepared(definition: str, longest: int | None = None) -> str:
    """The definition as moto's grammar takes it. Letters beyond ASCII stand as they are, since moto
    does not read their escapes everywhere."""
    content = _prepared(json.loads(definition))
    if longest is not None:
        content["TimeoutSeconds"] = min(content.get("TimeoutSeconds", longest), longest)
    return json.dumps(content, ensure_ascii=False)


def install() -> None:
    intrinsic: Any = IntrinsicParser
    intrinsic.parse = _reading_json(intrinsic.parse)
    reader: Any = intrinsic_preprocessor.Preprocessor
    reader._text_of_str = staticmethod(_text_of)
    literal: Any = argument.ArgumentLiteral
    literal._eval_argument = _literal
    formatting: Any = string_format.StringFormat
    formatting._eval_body = _format
    name: Any = custom_error_name.CustomErrorName
    name.__init__ = _name_error  # AWS takes names that begin with "States." too
    services: Any = state_task_service_factory
    services._UNSUPPORTED_SERVICE_NAMES.update(WITHOUT_TASKS)


def _prepared(value: Any) -> Any:
    if isinstance(value, list):
        return [_prepared(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _prepared(each) for name, each in value.items()}
    if found.get("Type") == "Map":
        _leave_out_unread(found)
        percentage = found.get("ToleratedFailurePercentage")
        if isinstance(percentage, int):
            found["ToleratedFailurePercentage"] = float(percentage)
        processor = found.get("ItemProcessor")
        if isinstance(processor, dict):
            config = processor.get("ProcessorConfig")
            if isinstance(config, dict) and config.get("ExecutionType") == "EXPRESS":
                config["ExecutionType"] = "STANDARD"  # moto's children are of no kind
            if "ItemBatcher" in found:
                batcher = json.dumps(found.pop("ItemBatcher")).encode()
                processor["Comment"] = BATCHES + base64.b64encode(batcher).decode()
    return found


def _leave_out_unread(state: dict[str, Any]) -> None:
    """Leave out how a Map reads and writes files where moto's grammar would refuse all of it."""
    reader, writer = state.get("ItemReader"), state.get("ResultWriter")
    if isinstance(reader, dict) and isinstance(config := reader.get("ReaderConfig"), dict):
        kept = {name: value for name, value in config.items() if name in READER_CONFIG}
        if kept.get("InputType", "JSON") not in FILE_TYPES:
            kept["InputType"] = "JSON"  # reading the file fails then
        reader["ReaderConfig"] = kept
    if isinstance(writer, dict):
        writer.pop("WriterConfig", None)
        if "Resource" not in writer:
            del state["ResultWriter"]


def _reading_json(parse: Any) -> Any:
    def parse_decoded(src: str) -> Any:
        return parse(json.loads(f'"{src}"', strict=False).translate(SPACES))

    return staticmethod(parse_decoded)


def _text_of(node: Any) -> str:
    """A text within an intrinsic function, whose escapes are \\', \\{, \\} and \\\\.

    https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
    """
    inner = str(node.getText())[1:-1]
    return re.sub(r"\\(.)", lambda found: BRACES.get(found[0], found[1]), inner, flags=re.S)


def _literal(literal: Any, env: Any) -> Any:
    value = literal.definition_value
    return value.translate(PLAIN) if isinstance(value, str) else value


def _format(function: Any, env: Any) -> None:
    function.argument_list.eval(env=env)
    template, *values = env.stack.pop()
    written = function.argument_list.arguments[0]
    if isinstance(written, argument.ArgumentLiteral):
        template = written.definition_value
    texts = iter([function._to_str_repr(value) for value in values])
    filled = re.sub(r"\{\}", lambda found: next(texts, found[0]), str(template))
    env.stack.append(filled.translate(PLAIN))


def _name_error(error: Any, error_name: str | None) -> None:
    error.error_name = error_name
