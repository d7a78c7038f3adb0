"""moto's API keys and usage plans."""

from typing import Any

from lampwork.cloud.moto_seam.backends import backend


def put_key(region: str, made: str, key_id: str) -> None:
    """Give a key that moto has made the id of the template's, in place of any such key before."""
    _rename(backend("apigateway", region).keys, made, key_id)


def put_plan(region: str, made: str, plan_id: str) -> None:
    """The same for a usage plan."""
    _rename(backend("apigateway", region).usage_plans, made, plan_id)


def forget_key(region: str, key_id: str) -> None:
    """Remove a key, if there is one of this id. moto's own way ends in an error without one."""
    backend("apigateway", region).keys.pop(key_id, None)


def forget_plan(region: str, plan_id: str) -> None:
    backend("apigateway", region).usage_plans.pop(plan_id, None)


def disconnect(region: str, plan_id: str, key_id: str) -> None:
    """Take a key out of a usage plan."""
    backend("apigateway", region).usage_plan_keys.get(plan_id, {}).pop(key_id, None)


def _rename(by_id: dict[str, Any], made: str, wanted: str) -> None:
    thing = by_id.pop(made)
    thing.id = wanted
    by_id[wanted] = thing
