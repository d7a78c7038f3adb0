"""Compares what functions have asked of AWS with what their policies let them do."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from lampwork.app.project.stack_loading import load_stack
from lampwork.cloud.moto_seam.managed_policies import managed_policy
from lampwork.commands.options import config_of, project_options
from lampwork.permissions.guard import Guard
from lampwork.permissions.report import Comparison, Finding, compare, least_privilege
from lampwork.stack.function_names import FunctionNames

NOTHING: Final = (
    "No function has run yet. Start `lampwork up`, use the project or run its tests against it, and"
    " come back."
)


@click.command()
@click.argument("functions", nargs=-1, metavar="[NAME]...")
@click.option(
    "--check", is_flag=True, help="Exit with 1 if something is missing, unused or too wide."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
@click.option("--reset", is_flag=True, help="Forget what functions have asked for so far.")
@project_options
def policies(
    functions: tuple[str, ...], check: bool, as_json: bool, reset: bool, **given: Any
) -> None:
    """Compare what functions asked of AWS with their policies.

    What each function asks of AWS is noted while it runs here. Printed are permissions that are
    missing, unused or too wide, and a policy to paste that allows what was asked for. Functions
    that have not run are not judged. Without a NAME, all functions are compared.
    """
    config = config_of(given)
    guard = Guard(config.data, managed_policy)
    if reset:
        guard.record.forget()
        return
    stack = load_stack(config, "http://localhost")
    names = FunctionNames(stack.functions)
    chosen = [names.get(each).logical_id for each in functions] or list(stack.functions)
    asked = guard.record.read().needs
    found = [
        compare(
            *(each, asked[each], stack.permissions.get(each), managed_policy),
            accepted=config.accepted_permissions,
        )
        for each in chosen
        if each in asked
    ]
    if as_json:
        objects = [_object(each, list(least_privilege(each.asked, stack.arns))) for each in found]
        click.echo(json.dumps(objects, indent=2))
    else:
        for line in _lines(found, stack.arns, silent=len(chosen) - len(found)):
            click.echo(line)
    if check and not found:
        raise click.ClickException(NOTHING)
    sys.exit(1 if check and any(each.findings for each in found) else 0)


def _lines(found: Sequence[Comparison], own: Any, *, silent: int) -> Iterator[str]:
    if not found:
        yield NOTHING
        return
    for each in found:
        if each.permissions is None and each.asked:
            yield f"{each.function}  its role is not in the template; it asked for {_actions(each)}"
        for finding in each.findings:
            yield finding.text
        if each.findings:
            yield from (f"    {line}" for line in least_privilege(each.asked, own))
    findings = sum(len(each.findings) for each in found)
    accepted = sum(len(each.accepted) for each in found)
    yield (
        f"{len(found)} functions have run, {silent} have not. Findings: {findings}"
        f"{f', and {accepted} accepted' if accepted else ''}."
    )


def _actions(each: Comparison) -> str:
    return ", ".join(sorted({need.action for need in each.asked}))


def _object(each: Comparison, policy: list[str]) -> dict[str, Any]:
    return {
        "function": each.function,
        "role_in_template": each.permissions is not None,
        "asked": [need._asdict() for need in sorted(each.asked)],
        "findings": list(map(_finding, each.findings)),
        "accepted": list(map(_finding, each.accepted)),
        "least_privilege": "\n".join(policy),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "action": finding.action,
        "resources": list(finding.resources),
    }
