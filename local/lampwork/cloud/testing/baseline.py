from lampwork.cloud.function_targets import is_internal
from lampwork.cloud.moto_seam import dynamodb, s3, sqs
from lampwork.cloud.moto_seam.backends import present
from lampwork.cloud.persistence.pickling import attributes, freeze, set_attributes, thaw
from lampwork.cloud.persistence.services import SERVICES

Place = tuple[str, str]
"""A region and a name."""


class Baseline:
    """What queues, tables, buckets and the other services held at a moment, to which a test can
    bring them back. It is in memory alone: the stack of a test does not outlive its processes.

    Of the other services, only those are looked at for which requests have come since.
    """

    def __init__(self) -> None:
        self._touched: set[str] = set()
        self._queues: dict[Place, tuple[bytes, bytes]] = {}
        self._tables: dict[Place, tuple[bytes, bytes]] = {}
        self._buckets: dict[str, tuple[bytes, list[s3.StoredObject]]] = {}
        self._tags = b""
        self._services: dict[Place, bytes] = {}

    def touched(self, service: str) -> None:
        """Note that a request for a service has come."""
        self._touched.add(service)

    def take(self) -> None:
        """Let the present state be the baseline."""
        self._queues = {
            (queue.region, queue.name): (freeze(sqs.settings(queue)), freeze(sqs.messages(queue)))
            for queue in sqs.all_queues()
        }
        self._tables = {
            place: (freeze(dynamodb.settings(table)), freeze(dict(table.items)))
            for place, table in dynamodb.all_tables().items()
        }
        self._buckets = {
            name: (freeze(s3.settings(bucket)), s3.stored_objects(bucket))
            for name, bucket in s3.buckets().items()
        }
        self._tags = freeze({arn: dict(each) for arn, each in s3.tags().items()})
        self._services = {
            (service, region): freeze(attributes(state))
            for service in SERVICES
            for region, state in present(service)
        }
        self._touched.clear()

    def bring_back(self) -> None:
        touched, self._touched = self._touched, set()
        self._bring_queues_back()
        self._bring_tables_back()
        self._bring_buckets_back()
        for service in touched.intersection(SERVICES):
            for region, state in present(service):
                kept = self._services.get((service, region))
                if kept is None:  # it was used after the baseline alone
                    state.reset()
                else:
                    set_attributes(state, thaw(kept))

    def _bring_queues_back(self) -> None:
        """Topics, buses and streams put messages into queues too, so each queue is looked at."""
        for queue in sqs.all_queues():
            place = (queue.region, queue.name)
            if place in self._queues or is_internal(queue.name):
                settings, messages = self._queues.get(place, (None, None))
                sqs.bring_back(
                    queue,
                    None if settings is None else thaw(settings),
                    [] if messages is None else thaw(messages),
                )
            else:
                sqs.remove_queue(*place)
        for (region, name), (settings, messages) in self._queues.items():
            if sqs.find_queue(region, name) is None:
                sqs.restore_queue(region, name, thaw(settings))
                sqs.bring_back(sqs.named_queue(region, name), None, thaw(messages))
        for queue in sqs.all_queues():
            sqs.find_dead_letter_queue(queue)

    def _bring_tables_back(self) -> None:
        for region, name in dynamodb.all_tables().keys() - self._tables.keys():
            del dynamodb.tables(region)[name]
        for (region, name), (settings, items) in self._tables.items():
            tables = dynamodb.tables(region)
            if name not in tables:
                tables[name] = dynamodb.restored_table(thaw(settings))
            tables[name].items.clear()
            tables[name].items.update(thaw(items))

    def _bring_buckets_back(self) -> None:
        for name in list(s3.buckets()):
            if name not in self._buckets:
                del s3.buckets()[name]
        for name, (settings, stored) in self._buckets.items():
            if name not in s3.buckets():
                s3.restore_bucket(name)
                s3.restore_settings(s3.buckets()[name], thaw(settings))
            s3.bring_objects_back(s3.buckets()[name], stored)
        s3.tags().clear()
        s3.tags().update(thaw(self._tags))
