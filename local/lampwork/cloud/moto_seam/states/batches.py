"""Batches of a distributed map's items, which moto does not make.

https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    distributed_iteration_component,
)

from lampwork.cloud.moto_seam.states.parsing import BATCHES
from lampwork.cloud.state_machines.language import paths

# Each runs in a thread of its own.
MOST_WORKERS: Final = 40


def install() -> None:
    component: Any = distributed_iteration_component.DistributedIterationComponent
    component._map_run = _in_batches(component._map_run)


def _in_batches(map_run: Callable[..., None]) -> Callable[..., None]:
    def run(component: Any, env: Any, eval_input: Any) -> None:
        items = env.stack.pop()
        if batcher := _batcher(component):
            if selector := eval_input.item_selector:
                items = [_selected(env, selector, *each) for each in enumerate(items)]
                eval_input.item_selector = None
            items = list(_batches(items, batcher, env.states.get_input()))
        record = eval_input.map_run_record
        record.max_concurrency = min(record.max_concurrency or MOST_WORKERS, MOST_WORKERS)
        env.stack.append(items)
        map_run(component, env=env, eval_input=eval_input)

    return run


def _batcher(component: Any) -> Mapping[str, Any] | None:
    comment = component._comment.comment if component._comment else ""
    if not comment.startswith(BATCHES):
        return None
    found: Mapping[str, Any] = json.loads(base64.b64decode(comment.removeprefix(BATCHES)))
    return found


def _selected(env: Any, selector: Any, index: int, item: Any) -> Any:
    frame = env.open_inner_frame()
    frame.states.reset(input_value=env.states.get_input())
    item_of_map = {"Item": {"Index": index, "Value": item}}
    frame.states.context_object.context_object_data["Map"] = item_of_map
    frame.stack.append(frame.states.get_input())
    selector.eval(frame)
    value = frame.stack.pop()
    env.delete_frame(frame)
    return value


def _batches(items: list[Any], batcher: Mapping[str, Any], given: Any) -> Iterator[dict[str, Any]]:
    most = _number(batcher, "MaxItemsPerBatch", given)
    bytes_ = _number(batcher, "MaxInputBytesPerBatch", given)
    around = {}
    if "BatchInput" in batcher:
        around = {"BatchInput": _filled(batcher["BatchInput"], given)}
    batch: list[Any] = []
    size = 0
    for item in items:
        length = len(json.dumps(item).encode())
        if batch and ((most and len(batch) >= most) or (bytes_ and size + length > bytes_)):
            yield {**around, "Items": batch}
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield {**around, "Items": batch}


def _number(batcher: Mapping[str, Any], name: str, given: Any) -> int:
    if path := batcher.get(f"{name}Path"):
        return int(next(iter(paths.read(path).values(given)), 0))
    return int(batcher.get(name) or 0)


def _filled(value: Any, given: Any) -> Any:
    """A BatchInput with the values of its fields that end in .$"""
    if not isinstance(value, dict):
        return value
    return {
        name.removesuffix(".$"): (
            next(iter(paths.read(each).values(given)), None)
            if name.endswith(".$")
            else _filled(each, given)
        )
        for name, each in value.items()
    }
