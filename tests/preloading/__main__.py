"""Imports the most used packages in a forked process and beside it in a fresh one, and compares.

They are installed once, into a folder outside the repository; later runs use it again.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from lampwork.runtime.functions import Functions
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.world.ability import why_not
from lampwork.stack.model import Function
from tests.preloading.differences import differing

HERE = Path(__file__).parent
# What a package is imported as, where that is not its name, and what else of it is widely used.
IMPORTS = {
    "aws-lambda-powertools": "from aws_lambda_powertools import Logger, Metrics, event_handler",
    "aws-xray-sdk": "from aws_xray_sdk.core import xray_recorder, patch_all",
    "beautifulsoup4": "from bs4 import BeautifulSoup",
    "cryptography": "from cryptography.hazmat.primitives.asymmetric import rsa",
    "fastapi": "from fastapi import FastAPI, responses, testclient as _",
    "httpx": "import httpx; httpx.Client()",
    "langchain-core": "from langchain_core import prompts, runnables, tools",
    "lxml": "from lxml import etree, html",
    "matplotlib": "import matplotlib.pyplot",
    "openai": "from openai import OpenAI",
    "pillow": "from PIL import Image, ImageDraw",
    "protobuf": "from google.protobuf import message, descriptor_pool",
    "psycopg2-binary": "import psycopg2.extras",
    "pydantic-settings": "from pydantic_settings import BaseSettings",
    "pyjwt": "import jwt",
    "pytz": "import pytz; pytz.timezone('Europe/Berlin')",
    "python-dateutil": "import dateutil.parser",
    "python-dotenv": "from dotenv import load_dotenv",
    "pyyaml": "import yaml",
    "requests-toolbelt": "import requests_toolbelt",
    "scipy": "import scipy.optimize",
    "sentry-sdk": "import sentry_sdk.integrations.aws_lambda",
    "sqlalchemy": "import sqlalchemy.orm, sqlalchemy.ext.asyncio",
}
# Functions that import several, whose packages look for each other.
TOGETHER = {
    "everyday": "import requests, boto3, yaml, jwt\nfrom pydantic import BaseModel",
    "observed": "from aws_lambda_powertools import Logger, Tracer\nimport boto3",
    "tables": "import numpy, pandas, sqlalchemy, openpyxl",
}
# What a loop over a set of functions left behind, which are in the order of their addresses.
BY_ADDRESS = {"module scipy.sparse._data: name"}
# So many fresh processes more are asked whether they differ, too.
FRESH = 6
# No more than there may be fork servers.
AT_ONCE = 20
# With one hash seed for all, sets have one order.
VARIABLES = {
    "PYTHONHASHSEED": "0",
    "LOGURU_LEVEL": "ERROR",
    "NLTK_DATA": "/opt/nltk_data",
    "TZ": "Europe/Vienna",
}
SOURCE = """
import json, sys
LOADED_BEFORE = sorted(sys.modules)
{imports}
import probe
SEEN = probe.snapshot()

def handler(event, context):
    import base64, zlib  # Lambda takes 6 MB
    return base64.b64encode(zlib.compress(json.dumps([LOADED_BEFORE, SEEN]).encode())).decode()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", help="only these, by their names in packages.in")
    parser.add_argument("-v", "--verbose", action="store_true", help="say why packages are left")
    options = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    began = time.monotonic()
    imports = {**{name: IMPORTS.get(name, f"import {name}") for name in _names()}, **TOGETHER}
    if options.packages:
        imports = {name: imports[name] for name in options.packages}
    site = installed()
    with tempfile.TemporaryDirectory() as name:
        differences = asyncio.run(_compare(imports, site, Path(name)))
    for line in differences:
        print(line)
    seconds = time.monotonic() - began
    print(f"{len(imports)} imports, {len(differences)} differences, {seconds:.0f} s")
    sys.exit(bool(differences))


def installed() -> Path:
    """A folder with the packages, which is made when their versions change."""
    pins = HERE / "packages.txt"
    key = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "lampwork-preloading" / key
    if not folder.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        partial = folder.with_suffix(".partial")
        _install(pins, partial)
        partial.rename(folder)
    return folder


def _install(pins: Path, folder: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    command = (
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", sys.executable]
        if uv.exists()
        else [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    )
    subprocess.run([*command, "--target", folder, "--only-binary", ":all:", "-r", pins], check=True)


def _names() -> list[str]:
    return (HERE / "packages.in").read_text().split()


async def _compare(imports: dict[str, str], site: Path, folder: Path) -> list[str]:
    functions = [_function(name, imports[name], site, folder) for name in imports]
    lines = []
    for first in range(0, len(functions), AT_ONCE):
        lines += await _compare_some(functions[first : first + AT_ONCE], folder)
    return lines


async def _compare_some(functions: list[Function], folder: Path) -> list[str]:
    fresh, forked = [await _snapshots(functions, folder, cold=cold) for cold in (True, False)]
    lines, found = [], {}
    for name, once in fresh.items():
        if isinstance(once, str):
            lines.append(f"{name}: {once}")
            continue
        found[name] = differing(once[1], forked[name][1]) - BY_ADDRESS
        more = len(set(forked[name][0]) - set(once[0]))
        print(f"{name:24} {more:5} of {len(once[1])} modules were loaded before the fork")
    # What differs between fresh processes too, such as the order of a set, is not the forks' doing.
    for _ in range(FRESH):
        suspects = [each for each in functions if found.get(each.name)]
        again = await _snapshots(suspects, folder, cold=True) if suspects else {}
        for name, other in again.items():
            found[name] -= differing(fresh[name][1], other[1])
    for name, keys in found.items():
        for key in sorted(keys):
            values = [_shown(snapshots[name][1], key) for snapshots in (fresh, forked)]
            lines.append(f"{name}: {key}: {' '.join(values)}")
    return lines


async def _snapshots(functions: list[Function], folder: Path, *, cold: bool) -> dict[str, Any]:
    settings = RuntimeSettings(
        folder / "data",
        cold=cold,
        init_seconds=60,
        enforce_memory=False,
        lambda_paths=await why_not(sys.executable) is None,
    )
    run = Functions({each.logical_id: each for each in functions}, settings, _ignore)
    try:
        await run.start()
        await run.preload()
        return {each.name: await _snapshot(run, each) for each in functions}
    finally:
        await run.stop()


async def _snapshot(run: Functions, function: Function) -> Any:
    answer = await run.invoke(function.name, b"null")
    if answer.function_error:
        return answer.payload.decode()
    return json.loads(zlib.decompress(base64.b64decode(json.loads(answer.payload))))


def _function(name: str, imports: str, site: Path, folder: Path) -> Function:
    code = folder / name
    code.mkdir()
    (code / "app.py").write_text(SOURCE.format(imports=imports))
    shutil.copy(HERE / "probe.py", code)
    return Function(
        logical_id=name,
        name=name,
        handler="app.handler",
        code_dir=code,
        timeout_seconds=60,
        memory_mb=3008,
        environment={**VARIABLES, "MPLCONFIGDIR": str(folder / "matplotlib")},
        requirements=site,
    )


def _shown(snapshot: dict[str, Any], key: str) -> str:
    outer, _, inner = key.partition(": ")
    value = snapshot.get(outer)
    return repr(value.get(inner) if inner and isinstance(value, dict) else value)[:200]


def _ignore(function: Function, line: str, request_id: str) -> None:
    pass


if __name__ == "__main__":
    main()
