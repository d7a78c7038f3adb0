import pytest
from hypothesis import given
from hypothesis import strategies as st

from lampwork.stack.model import HttpRoute
from lampwork.stack.router import Router

ROUTES = [
    ("ANY", "/{proxy+}"),
    ("GET", "/tasks/{id}"),
    ("ANY", "/tasks/{id}"),
    ("GET", "/tasks/latest"),
    ("ANY", "/tasks"),
    ("POST", "/tasks"),
    ("GET", "/files/{path+}"),
    ("GET", "/files/{name}/info"),
    ("GET", "/"),
]


def router(*routes: tuple[str, str]) -> Router:
    return Router(HttpRoute(method, path, function="f") for method, path in routes)


def matched(routes: list[tuple[str, str]], method: str, path: str) -> str | None:
    match = router(*routes).match(method, path)
    return match.route.key if match else None


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("GET", "/tasks/latest", "GET /tasks/latest"),
        ("POST", "/tasks/latest", "ANY /tasks/{id}"),
        ("GET", "/tasks/6", "GET /tasks/{id}"),
        ("DELETE", "/tasks/6", "ANY /tasks/{id}"),
        ("POST", "/tasks", "POST /tasks"),
        ("PUT", "/tasks", "ANY /tasks"),
        ("GET", "/files/a/b/c", "GET /files/{path+}"),
        ("GET", "/files/a/info", "GET /files/{name}/info"),
        ("POST", "/files/a", "ANY /{proxy+}"),
        ("GET", "/", "GET /"),
        ("POST", "/", None),
        ("GET", "/tasks/", "ANY /{proxy+}"),
    ],
)
def test_the_most_specific_route_serves(method, path, key):
    assert matched(ROUTES, method, path) == key
    assert matched(ROUTES[::-1], method, path) == key


def test_the_default_route_takes_requests_that_no_other_route_takes():
    assert matched([*ROUTES, ("ANY", "$default")], "POST", "/") == "$default"


def test_a_wrong_method_is_no_match():
    assert matched([("GET", "/tasks")], "POST", "/tasks") is None


def test_a_greedy_parameter_needs_a_segment_and_keeps_no_trailing_slash():
    api = router(("GET", "/api/{proxy+}"))

    match = api.match("GET", "/api/a/b/")

    assert api.match("GET", "/api") is None
    assert api.match("GET", "/api/") is None
    assert match is not None
    assert match.parameters == {"proxy": "a/b"}


def test_parameters_are_decoded():
    match = router(("GET", "/{kind}/{task-id}")).match("GET", "/a%20b/%C3%A9%2F1")

    assert match is not None
    assert match.parameters == {"kind": "a b", "task-id": "é/1"}


segment = st.sampled_from(["a", "b", "{x}", "{y}"])
route = st.tuples(
    st.sampled_from(["GET", "POST", "ANY"]), st.lists(segment, min_size=1, max_size=3)
)


@given(st.lists(route, max_size=8), st.sampled_from(["GET", "POST"]), st.data())
def test_the_order_of_the_template_does_not_matter(routes, method, data):
    paths = {(m, "/" + "/".join(segments)) for m, segments in routes}
    # Two parameters at one place make the same route under two names.
    unique = list({(m, p.replace("{y}", "{x}")) for m, p in paths})
    path = "/" + "/".join(data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3)))

    shuffled = data.draw(st.permutations(unique))

    assert matched(unique, method, path) == matched(shuffled, method, path)
