"""Replaces what runs the product's code by a new version while people use it: `make restart`.

The database is migrated first: the old code runs on the new schema (docs/operations.md). Then a new
container starts beside each old one. Once all are healthy, nginx leads people to the new ones, the
old ones answer what they have under way, and end. Live sockets connect again by themselves.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from local import stack
from local.stack import ROOT, Stack, StackError

Containers = Mapping[str, Sequence[str]]

WEB = ("backend", "frontend")
SERVICES = (*WEB, "worker", "deliverer")
SERVER_SERVICES = (*SERVICES, "schedule")
HEALTHY_SECONDS = "180"
SETTLE_SECONDS = 2.0  # nginx's processes of before pass on what they had already read
DRAIN_SECONDS = 40.0  # longer than nginx waits for any answer
GLANCE_SECONDS = 0.25
# In nginx's container: its configuration of this run, and how that is changed.
CONFIGURED = "/tmp/nginx/conf.d/gateway.conf"  # noqa: S108
LEAD = (
    'sed -e "$1" -e "$2" "$3" >/tmp/nginx/led && cat /tmp/nginx/led >"$3" '
    "&& nginx -c /etc/nginx/lampwork/nginx.conf -s reload"
)
# How many processes of functions have something to do.
BUSY = """
import re, urllib.request as r
page = r.urlopen("http://127.0.0.1:8000/_lampwork/metrics", timeout=5).read().decode()
found = re.findall(r'^lampwork_environments{.*state="(?:busy|starting)".*} ([0-9.]+)$', page, re.M)
print(int(sum(map(float, found))))
"""


def restart(running: Stack, say: Callable[[str], None]) -> None:
    """
    Raises:
        StackError: something failed; the text says what. The old containers go on, unless people
            were already led to the new ones.
    """
    is_server = "compose.server.yml" in running.files
    old = _running(running, SERVER_SERVICES if is_server else SERVICES)
    if not all(old.values()):
        raise StackError("The stack does not run: make up starts it.")
    say("Bringing the schema up to this version's ...")
    running.stream("run", "--rm", "-T", "--no-deps", "migrate")
    say("Starting new containers beside the old ones ...")
    try:
        _start_beside(running, old)
        new = _added(running, old)
        say("Leading people to the new ones ...")
        _lead(running, *(f"{new[service][0]}:8000" for service in WEB))
    except StackError:
        _remove(_added(running, old))
        raise
    say("Waiting for the answers under way ...")
    time.sleep(SETTLE_SECONDS)
    if not is_server:  # which does so by itself when it is told to stop
        for container in [each for service in WEB for each in old[service]]:
            _drain(container)
    _remove(old)
    _lead(running, *(f"{service}:8000" for service in WEB))


def _running(running: Stack, services: Iterable[str]) -> Containers:
    """The short ids of the services' containers, which are also their names in their networks."""
    return {
        service: [each[:12] for each in running.compose("ps", "-q", service).split()]
        for service in services
    }


def _added(running: Stack, old: Containers) -> Containers:
    now = _running(running, old)
    return {service: [each for each in now[service] if each not in old[service]] for service in old}


def _start_beside(running: Stack, old: Containers) -> None:
    for service, ids in old.items():  # one by one, or Compose lets some wait for others' health
        scale = f"--scale={service}={2 * len(ids)}"
        running.stream("up", "-d", "--no-build", "--no-deps", "--no-recreate", scale, service)
    wait = [ROOT / "local" / "docker" / "wait-healthy", running.project, HEALTHY_SECONDS]
    _run(*map(str, wait))


def _lead(running: Stack, backend: str, frontend: str) -> None:
    changes = [
        f"/^map .*[$]{name} /,/;/s|http://[^;]*|http://{address}|"
        for name, address in (("backend", backend), ("frontend", frontend))
    ]
    running.run("nginx", "sh", "-c", LEAD, "sh", *changes, CONFIGURED)


def _drain(container: str) -> None:
    give_up = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < give_up:
        if _run("docker", "exec", container, "python", "-c", BUSY).strip() == "0":
            return
        time.sleep(GLANCE_SECONDS)


def _remove(containers: Containers) -> None:
    if ids := [each for found in containers.values() for each in found]:
        _run("docker", "stop", *ids)  # each has its own time for it, stop_grace_period
        _run("docker", "rm", *ids)


def _run(*command: str) -> str:
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise StackError((found.stderr or found.stdout).strip())
    return found.stdout


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env-file", type=Path, default=stack.ENV_FILE)
    options = parser.parse_args()
    try:
        restart(Stack(options.env_file), _say)
    except StackError as error:
        sys.stderr.write(f"restart: {error}\n")
        return 1
    _say("Everything runs this version.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
