"""The template is the only place of routes and triggers; the code must agree with it."""

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import functions
from lampwork.stack.model import Function, Stack
from lampwork.template.reader import read_stack
from lampwork.triggers.registry import SOURCES
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return read_stack(
        ROOT / "template.yaml",
        parameters={},
        region="us-east-1",
        stack_name="local",
        cache_dir=tmp_path_factory.mktemp("cache"),
        queue_url_base="http://localhost",
        sources=SOURCES,
    )


def function_modules() -> set[str]:
    """One for each Lambda function. `functions.asgi` is all of them in one process."""
    found = walk_packages(functions.__path__, "functions.")
    return {module.name for module in found if not module.ispkg} - {"functions.asgi"}


def as_in_template(path: str) -> str:
    return path.replace(":path}", "+}")


def module_of(function: Function) -> str:
    return function.handler.rpartition(".")[0]


def test_every_handler_imports(stack):
    for function in stack.functions.values():
        module, _, name = function.handler.rpartition(".")
        assert callable(getattr(import_module(module), name)), function.handler


def test_every_function_module_is_in_the_template(stack):
    assert function_modules() == {module_of(function) for function in stack.functions.values()}


def test_routes_of_code_and_template_are_the_same(stack):
    (api,) = stack.http_apis
    in_template = {
        (module_of(stack.functions[route.function]), route.method, route.path)
        for route in api.routes
    }
    in_code = {
        (name, method, as_in_template(route.path))
        for name in function_modules()
        for route in getattr(getattr(import_module(name), "app", None), "routes", ())
        for method in route.methods
    }

    assert in_code == in_template


def test_the_application_of_all_functions_has_the_routes_of_the_template(stack):
    """And the stream of events, which API Gateway could not keep open."""
    (api,) = stack.http_apis
    asgi = import_module("functions.asgi")

    served = {
        (method, as_in_template(route.path))
        for route, _ in asgi.app.table
        for method in route.methods
    }

    in_template = {(route.method, route.path) for route in api.routes}
    assert served - in_template == {("GET", "/api/v1/tasks/{task_id}/stream")}
    assert in_template <= served


def test_every_function_but_those_of_operations_has_a_trigger(stack):
    triggered = {route.function for api in stack.http_apis for route in api.routes}
    triggered |= {route.function for api in stack.websocket_apis for route in api.routes.values()}
    triggered |= {trigger.function for trigger in stack.triggers}

    untriggered = {stack.functions[name].handler for name in set(stack.functions) - triggered}
    assert all(handler.startswith("functions.ops.") for handler in untriggered)


def test_the_websocket_path_people_use_is_declared(stack):
    (api,) = stack.websocket_apis

    assert [rewrite.path for rewrite in api.rewrites] == ["/ws/tasks/{task_id}"]


def test_the_emulator_misses_nothing_in_the_template_but_the_cdn(stack):
    assert {ignored.type for ignored in stack.ignored if not ignored.harmless} <= {
        "AWS::CloudFront::Distribution",
        "AWS::CloudFront::Function",
    }


def test_code_is_where_the_template_says(stack):
    assert {function.code_dir for function in stack.functions.values()} == {Path(ROOT)}
