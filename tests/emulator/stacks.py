from pathlib import Path
from textwrap import dedent

from lampwork.config.stack_files import stack_files
from lampwork.stack.model import Stack
from lampwork.template.reader import read_stack
from lampwork.triggers.registry import SOURCES

QUEUES = "http://localhost:4566"


def read(template: Path, cache_dir: Path, **parameters: str) -> Stack:
    return read_stack(
        template,
        parameters=parameters,
        region="eu-west-1",
        stack_name="local",
        cache_dir=cache_dir,
        queue_url_base=QUEUES,
        sources=SOURCES,
    )


def read_text(folder: Path, text: str, name: str = "template.yaml", **parameters: str) -> Stack:
    """The stack of a template that the test gives as text."""
    template = folder / name
    template.write_text(dedent(text))
    return read(template, folder / "cache", **parameters)


def read_beside(folder: Path, **texts: str) -> Stack:
    """Stacks beside each other, each of the template that the test gives under its name."""
    templates = [folder / f"{name}.yaml" for name in texts]
    for template, text in zip(templates, texts.values(), strict=True):
        template.write_text(dedent(text))
    return read_stack(
        templates[0],
        parameters={},
        region="eu-west-1",
        stack_name="local",
        cache_dir=folder / "cache",
        queue_url_base=QUEUES,
        sources=SOURCES,
        stacks=stack_files(templates),
    )
