"""Writes templates as CloudFormation gets them from SAM, as JSON, for checks that know no SAM.

    python -m local.plain_templates FOLDER template.yaml ...

Parameters keep their places. What `sam deploy` would upload has an address that leads nowhere.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any, Final

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from lampwork.template.source.document import read_document

UPLOADED: Final = {
    "AWS::Serverless::Application": ("Location", "https://s3.amazonaws.com/bucket/key"),
    "AWS::Serverless::Function": ("CodeUri", "s3://bucket/key"),
    "AWS::Serverless::LayerVersion": ("ContentUri", "s3://bucket/key"),
}


def plain(template: Path) -> dict[str, Any]:
    content = read_document(template).content
    if "Transform" not in content:
        return content
    content.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for resource in content["Resources"].values():
        if uploaded := UPLOADED.get(resource["Type"]):
            name, address = uploaded
            resource["Properties"][name] = address
    transformed: dict[str, Any] = Translator(None, Parser()).translate(content, {})
    return transformed


def main(words: list[str]) -> None:
    if len(words) < 2:
        sys.exit(__doc__)
    logging.disable(logging.WARNING)  # it has nothing for whoever reads the findings
    folder = Path(words[0])
    folder.mkdir(parents=True, exist_ok=True)
    for each in map(Path, words[1:]):
        (folder / f"{each.stem}.json").write_text(json.dumps(plain(each), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
