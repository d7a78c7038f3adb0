"""Pins the stack's images: `make image-lock` notes the digest of each, as its registry has it now.

`make up` and the others then use what the file says, unless an env file or the shell names another
image. A tag may be published anew; a digest is always the same image.
"""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from os import environ
from pathlib import Path

from local import stack
from local.stack import ROOT, Stack
from local.stack_settings import IMAGES, read

# Those that are built here, and what two of them are built on: each on a version of its own.
OURS = {"LAMPWORK_IMAGE", "SERVER_IMAGE", "PYTHON_IMAGE"}
NAMED = re.compile(r"\$\{([A-Z_]+_IMAGE):-([^}]+)\}")
DIGEST = "{{json .Manifest.Digest}}"
HEAD = "# Written by `make image-lock`: the stack's images, each with its digest.\n"


class Unknown(Exception):
    """A registry did not say which image a name is."""


def named(settings: Mapping[str, str]) -> dict[str, str]:
    """The images that the Compose files name, by the variable of each, without a digest."""
    files = sorted((ROOT / "local").glob("compose*.yml"))
    found = dict(match for file in files for match in NAMED.findall(file.read_text("utf-8")))
    images = {name: settings.get(name) or image for name, image in found.items()}
    if own := settings.get("MINIO_IMAGE"):  # it has no default
        images["MINIO_IMAGE"] = own
    return {name: image.partition("@")[0] for name, image in images.items() if name not in OURS}


def digest(image: str, docker: str = "docker") -> str:
    """
    Raises:
        Unknown: the registry does not know the image, or cannot be reached.
    """
    command = [*shlex.split(docker), "buildx", "imagetools", "inspect", "--format", DIGEST, image]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    found = asked.stdout.strip().strip('"')
    if asked.returncode or not re.fullmatch(r"sha256:[0-9a-f]{64}", found):
        raise Unknown(f"{image}: {(asked.stderr or asked.stdout).strip() or 'no digest'}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env-file", type=Path, default=stack.ENV_FILE)
    parser.add_argument("--to", type=Path, default=IMAGES)
    options = parser.parse_args()
    locked = read(options.to.read_text("utf-8")) if options.to.exists() else {}
    settings = {
        name: value
        for name, value in Stack(options.env_file).settings.items()
        if value != locked.get(name)
    }
    lines, docker = [], environ.get("DOCKER", "docker")
    try:
        for name, image in sorted(named(settings).items()):
            lines.append(f"{name}={image}@{digest(image, docker)}\n")
    except Unknown as error:
        sys.stderr.write(f"Nothing was changed. {error}\n")
        return 1
    options.to.write_text(HEAD + "".join(lines), "utf-8")
    sys.stdout.write(f"{options.to.name} pins {len(lines)} images.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
