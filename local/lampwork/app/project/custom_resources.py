"""Has the functions of a template create its custom resources, as CloudFormation does."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict

from lampwork.app.project.response_url import ResponseUrls
from lampwork.errors import LampworkError
from lampwork.events.custom_resources import Answer, Failed, answer, request
from lampwork.invocation.port import Invoker
from lampwork.stack.custom_resources import SERVICE, filled, in_order
from lampwork.stack.model import CustomResource, Function

FILE: Final = "custom-resources.json"
# How long to wait for an answer once the function has ended: another program may send it.
LATE_SECONDS: Final = 10

Values = Mapping[str, str | None]
Ready = Callable[[Values], Awaitable[None]]
"""Lets functions run with these values of the custom resources that are there."""


class Record(TypedDict):
    """What is kept of a custom resource. `properties` are those of its last request."""

    function: str
    properties: dict[str, Any]
    physical_id: str
    data: dict[str, Any]


class CustomResources:
    """The custom resources of a project. They are kept in the folder `data`, so that only a new or
    changed one runs its function.
    """

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        self._file = data / FILE
        self._urls = ResponseUrls(data)
        self._say = say

    async def apply(
        self,
        wanted: Sequence[CustomResource],
        functions: Mapping[str, Function],
        invoker: Invoker,
        known: Values,
        ready: Ready,
    ) -> dict[str, str | None]:
        """Create what is new, update what has changed, delete what the template has no more.

        `known` are the values of other dynamic references. Returns those of the custom resources.
        A resource that fails is told, and tried again at the next call.
        """
        kept = self._read()
        for logical_id in kept.keys() - {each.logical_id for each in wanted}:
            await self._delete(logical_id, kept.pop(logical_id), functions, invoker)
            self._write(kept)
        readied = False
        for resource in in_order(wanted):
            values = {**known, **_values(kept)}
            properties = filled(resource.properties, values)
            record = kept.get(resource.logical_id)
            if record is not None and record["properties"] == properties:
                continue
            if resource.function not in functions:
                continue
            if not readied or resource.after or properties != resource.properties:
                await ready(values)
                readied = True
            try:
                made = await self._make(resource, properties, record, invoker)
            except Failed as error:
                verb = "created" if record is None else "updated"
                self._say(
                    f"{resource.template.name}, line {resource.line}: the custom resource"
                    f" {resource.logical_id} cannot be {verb} by {resource.function}: {error}."
                )
                continue
            kept[resource.logical_id] = Record(
                function=resource.function,
                properties=properties,
                physical_id=made.physical_id,
                data=dict(made.data),
            )
            self._write(kept)
        return _values(kept)

    async def _make(
        self,
        resource: CustomResource,
        properties: dict[str, Any],
        record: Record | None,
        invoker: Invoker,
    ) -> Answer:
        if record is None:
            return await self._ask("Create", resource, invoker, properties=properties)
        old = {"physical_id": record["physical_id"]}
        made = await self._ask(
            "Update",
            resource,
            invoker,
            properties=properties,
            old_properties=record["properties"],
            **old,
        )
        if made.physical_id != record["physical_id"]:  # CloudFormation takes it for a new one
            await self._ask("Delete", resource, invoker, properties=record["properties"], **old)
        return made

    async def _delete(
        self,
        logical_id: str,
        record: Record,
        functions: Mapping[str, Function],
        invoker: Invoker,
    ) -> None:
        """Delete a resource that has left the template, unless its function has left, too."""
        if record["function"] not in functions:
            return
        resource = CustomResource(logical_id, "", record["function"], "")
        try:
            await self._ask(
                "Delete",
                resource,
                invoker,
                properties=record["properties"],
                physical_id=record["physical_id"],
            )
        except Failed as error:
            self._say(f"The custom resource {logical_id} cannot be deleted: {error}.")

    async def _ask(
        self, kind: str, resource: CustomResource, invoker: Invoker, **about: Any
    ) -> Answer:
        async with self._urls.open() as (url, response):
            event = request(kind, resource, url, **about)
            running = asyncio.ensure_future(_run(invoker, resource.function, event))
            done, _ = await asyncio.wait((running, response), return_when=asyncio.FIRST_COMPLETED)
            if response not in done:
                await running
                await asyncio.wait((response,), timeout=LATE_SECONDS)
            if not response.done():
                raise Failed("it has sent no answer to the ResponseURL of its event")
            await running
            return answer(response.result())

    def _read(self) -> dict[str, Record]:
        try:
            kept: dict[str, Record] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return kept

    def _write(self, kept: Mapping[str, Record]) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(kept, indent=1))
        draft.replace(self._file)


async def _run(invoker: Invoker, function: str, event: Mapping[str, Any]) -> None:
    try:
        invocation = await invoker.invoke(function, json.dumps(event).encode())
    except LampworkError as error:
        raise Failed(str(error)) from error
    if invocation.function_error:
        raise Failed(f"it failed: {invocation.failure}")


def _values(kept: Mapping[str, Record]) -> dict[str, str | None]:
    """What references to the resources stand for."""
    values: dict[str, str | None] = {}
    for logical_id, record in kept.items():
        values[f"{SERVICE}:{logical_id}:"] = record["physical_id"]
        for name, value in _attributes(record["data"]):
            values[f"{SERVICE}:{logical_id}:{name}"] = value
    return values


def _attributes(data: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The attributes as texts. A list is joined by commas, and each of its items is there, too."""
    for name, value in data.items():
        if isinstance(value, list):
            items = [_text(each) for each in value]
            yield name, ",".join(items)
            yield from ((f"{name}#{index}", each) for index, each in enumerate(items))
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
