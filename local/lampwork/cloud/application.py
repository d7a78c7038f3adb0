import os
from functools import partial
from pathlib import Path
from typing import Final
from wsgiref.types import WSGIApplication

from lampwork.cloud import kinesis_streams, queue_rules
from lampwork.cloud.event_patterns import Patterns
from lampwork.cloud.function_targets import FunctionTargets
from lampwork.cloud.guarded_services import GuardedServices
from lampwork.cloud.in_process import Client, Clients
from lampwork.cloud.moto_seam import backends
from lampwork.cloud.moto_seam.http import Dispatcher
from lampwork.cloud.moto_seam.managed_policies import managed_policy
from lampwork.cloud.move_tasks import MoveTasks
from lampwork.cloud.own_paths import OwnPaths
from lampwork.cloud.persistence.buckets import KeptBuckets
from lampwork.cloud.persistence.kept_state import Keeper, KeptState
from lampwork.cloud.persistence.object_folder import ObjectFolder
from lampwork.cloud.persistence.objects import KeptObjects
from lampwork.cloud.persistence.queues import KeptQueues
from lampwork.cloud.persistence.services import KeptServices
from lampwork.cloud.persistence.state_file import StateFile
from lampwork.cloud.persistence.tables import KeptTables
from lampwork.cloud.queue_report import QueueReport
from lampwork.cloud.request_trace import RequestTrace
from lampwork.cloud.s3_access.signed_requests import SignedS3
from lampwork.cloud.state_machines.service import StateMachines
from lampwork.cloud.table_streams import TableStreams
from lampwork.cloud.testing.paths import TestPaths
from lampwork.cloud.user_pools.service import UserPools
from lampwork.cloud.user_pools.triggers import Triggers
from lampwork.companions.aws import TESTING, TIME_SCALE
from lampwork.permissions.guard import Guard

FILE: Final = "state.db"
VERSION: Final = "moto"


class Unreadable(Exception):
    """The stored state cannot be read. The message says where it was moved."""


def application(folder: Path, region: str) -> WSGIApplication:
    """moto as a WSGI application, with its state loaded and the template's resources created.

    State machines and user pools call functions at the address in AWS_ENDPOINT_URL_LAMBDA.

    Raises:
        Unreadable: the stored state cannot be read and was moved aside. moto is only partly loaded
            then, so the caller must start a new process, which begins without stored state.
    """
    objects = KeptObjects(Dispatcher(), ObjectFolder(folder / "s3"))
    keepers: list[Keeper] = [KeptQueues(), KeptTables(), KeptServices(), KeptBuckets()]
    state = StateFile(folder / FILE)
    streams = TableStreams(MoveTasks(objects))
    kept = KeptState(streams, state, keepers)
    queue_rules.install()
    Patterns().install()
    objects.load()
    _load(kept, state)
    machines = StateMachines(
        kept,
        state,
        region,
        lambda_endpoint=os.environ.get("AWS_ENDPOINT_URL_LAMBDA"),
        time_scale=float(os.environ.get(TIME_SCALE, "1")),
    )
    FunctionTargets(region, Clients(machines, region)).install()
    streams.install()
    kinesis_streams.install()
    own = OwnPaths(machines, state, folder / "resources.json", region)
    own.create_resources()
    machines.warm()
    # What the template creates asks no trigger: functions do not run yet.
    pools = UserPools(own, region, Triggers(partial(_function_api, Clients(own, region))))
    guard = Guard(folder.parent, managed_policy)
    whole = GuardedServices(QueueReport(RequestTrace(SignedS3(pools))), guard)
    if TESTING not in os.environ:
        return whole
    return TestPaths(whole, region, lambda: len(machines.executions.runs))


def _function_api(clients: Clients) -> Client:
    return clients.at("lambda", os.environ.get("AWS_ENDPOINT_URL_LAMBDA", ""))


def _load(kept: KeptState, state: StateFile) -> None:
    version = dict(state.read(VERSION)).get("", b"unknown").decode()
    try:
        kept.load()
    except Exception as error:  # objects of another version of moto may raise anything when loaded
        place = state.set_aside(f"of-moto-{version}")
        raise Unreadable(
            f"moto {backends.VERSION} cannot read the state that moto {version} stored"
            f" ({type(error).__name__}: {error}). The state is now in {place}. Everything starts"
            f" empty, except the objects in buckets. To get the state back, install moto {version}"
            f" and rename that file to {FILE}."
        ) from error
    state.write({VERSION: backends.VERSION.encode()})
