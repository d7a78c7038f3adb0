import json
import uuid
from typing import Any, ClassVar, Final

from lampwork.console.asking import Ask, Done, Refused, address, json_of, pretty_text
from lampwork.console.aws.client import AwsRoom, Clients, last
from lampwork.console.html import Html, e, joined, link, pre, table
from lampwork.console.layout import area, form, hidden, labelled, pages

MOST: Final = 100


class Topics(AwsRoom):
    """Topics of SNS and buses of EventBridge: who gets what, and a form to publish."""

    name: ClassVar[str] = "topics"
    title: ClassVar[str] = "Topics and buses"
    group: ClassVar[str] = "AWS"

    async def _found(self, ask: Ask) -> Html:
        if topic := ask.query.get("topic"):
            return await self._topic(topic)
        if bus := ask.query.get("bus"):
            return await self._bus(bus)
        token = ask.query.get("after")
        topics, further, buses = await self._aws.ask(lambda clients: _listed(clients, token))
        return joined(
            [
                table(
                    "Topics",
                    ("Topic", "ARN"),
                    (
                        (link(last(arn), address(self.name, topic=arn)), e("code", arn))
                        for arn in topics
                    ),
                ),
                pages(
                    after=link("Further", address(self.name, after=further)) if further else None
                ),
                table(
                    "Buses",
                    ("Bus", "Rules"),
                    ((link(bus, address(self.name, bus=bus)), count) for bus, count in buses),
                ),
            ]
        )

    async def act(self, ask: Ask) -> Done:
        match ask.form.get("do"):
            case "publish":
                topic = ask.text("topic")
                await self._aws.ask(lambda clients: _publish(clients, ask))
                return Done(f"Published to {last(topic)}.", address(self.name, topic=topic))
            case "put":
                bus = ask.text("bus")
                json_of(ask.text("detail"), "The detail")
                await self._aws.ask(lambda clients: _put(clients, ask))
                return Done(f"Put an event on {bus}.", address(self.name, bus=bus))
        raise Refused("There is no such action.")

    async def _topic(self, topic: str) -> Html:
        answer: dict[str, Any] = await self._aws.ask(
            lambda clients: clients("sns").list_subscriptions_by_topic(TopicArn=topic)
        )
        is_fifo = topic.endswith(".fifo")
        return joined(
            [
                e("h2", last(topic)),
                table(
                    "Subscriptions",
                    ("Endpoint", "Protocol"),
                    ((each["Endpoint"], each["Protocol"]) for each in answer["Subscriptions"]),
                ),
                e(
                    "section",
                    e("h2", "Publish"),
                    form(
                        self.name,
                        "publish",
                        *hidden(topic=topic),
                        labelled("Subject", "subject"),
                        area("Message", "message"),
                        labelled("Message group", "group", "console") if is_fifo else None,
                        submit="Publish",
                    ),
                ),
                e("p", link("All topics and buses", address(self.name))),
            ]
        )

    async def _bus(self, bus: str) -> Html:
        rules = await self._aws.ask(lambda clients: _rules(clients, bus))
        return joined(
            [
                e("h2", bus),
                table(
                    "Rules",
                    ("Rule", "Matches", "Targets"),
                    (
                        (
                            rule["Name"],
                            pre(
                                pretty_text(
                                    rule.get("EventPattern") or rule.get("ScheduleExpression", "")
                                ),
                                f"What {rule['Name']} matches",
                            ),
                            e("ul", (e("li", e("code", arn)) for arn in targets)),
                        )
                        for rule, targets in rules
                    ),
                ),
                e(
                    "section",
                    e("h2", "Put an event"),
                    form(
                        self.name,
                        "put",
                        *hidden(bus=bus),
                        labelled("Source", "source", "console"),
                        labelled("Detail type", "detail-type", "Something happened"),
                        area("Detail, in JSON", "detail", "{}"),
                        submit="Put",
                    ),
                ),
                e("p", link("All topics and buses", address(self.name))),
            ]
        )


def _listed(
    clients: Clients, token: str | None
) -> tuple[list[str], str | None, list[tuple[str, int]]]:
    sns, events = clients("sns"), clients("events")
    answer = sns.list_topics(**({"NextToken": token} if token else {}))
    topics = [each["TopicArn"] for each in answer["Topics"]]
    buses = [each["Name"] for each in events.list_event_buses(Limit=MOST)["EventBuses"]]
    counted = [
        (bus, len(events.list_rules(EventBusName=bus, Limit=MOST)["Rules"])) for bus in buses
    ]
    return topics, answer.get("NextToken"), counted


def _publish(clients: Clients, ask: Ask) -> None:
    more: dict[str, str] = {}
    if subject := ask.form.get("subject"):
        more["Subject"] = subject
    if ask.text("topic").endswith(".fifo"):
        more |= {"MessageGroupId": ask.text("group"), "MessageDeduplicationId": str(uuid.uuid4())}
    message = ask.text("message").replace("\r\n", "\n")
    clients("sns").publish(TopicArn=ask.text("topic"), Message=message, **more)


def _rules(clients: Clients, bus: str) -> list[tuple[dict[str, Any], list[str]]]:
    events = clients("events")
    found = []
    for rule in events.list_rules(EventBusName=bus, Limit=MOST)["Rules"]:
        targets = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]
        found.append((rule, [target["Arn"] for target in targets]))
    return found


def _put(clients: Clients, ask: Ask) -> None:
    entry = {
        "EventBusName": ask.text("bus"),
        "Source": ask.text("source"),
        "DetailType": ask.text("detail-type"),
        "Detail": ask.text("detail"),
    }
    answer = clients("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise Refused(json.dumps(answer["Entries"]))
