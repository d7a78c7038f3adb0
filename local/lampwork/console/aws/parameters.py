from typing import Any, ClassVar, Final

from lampwork.console.asking import Answered, Ask, Done, Refused, address, pretty_text
from lampwork.console.aws.client import AwsRoom, Clients
from lampwork.console.html import Html, details, e, joined, link, pre, table
from lampwork.console.layout import area, choice, form, hidden, labelled, pages

AT_ONCE: Final = 50
KINDS: Final = ("String", "StringList", "SecureString")


class Parameters(AwsRoom):
    """Parameters and secrets. A value is hidden until somebody asks for it."""

    name: ClassVar[str] = "parameters"
    title: ClassVar[str] = "Parameters and secrets"
    group: ClassVar[str] = "AWS"

    async def _found(self, ask: Ask) -> Html:
        tokens = (ask.query.get("after"), ask.query.get("after-secret"))
        parameters, secrets = await self._aws.ask(lambda clients: _listed(clients, *tokens))
        return joined(
            [
                table(
                    "Parameters",
                    ("Parameter", "Type", "Version", "Value"),
                    (
                        (
                            each["Name"],
                            each["Type"],
                            each["Version"],
                            _ask("parameter", each["Name"]),
                        )
                        for each in parameters["Parameters"]
                    ),
                ),
                _further("after", parameters.get("NextToken")),
                table(
                    "Secrets",
                    ("Secret", "Changed", "Value"),
                    (
                        (each["Name"], _changed(each), _ask("secret", each["Name"]))
                        for each in secrets["SecretList"]
                    ),
                ),
                _further("after-secret", secrets.get("NextToken")),
                details(
                    "New parameter…",
                    form(
                        self.name,
                        "put-parameter",
                        labelled("Name", "name"),
                        choice("Type", "type", KINDS, KINDS[0]),
                        area("Value", "value", rows=3),
                        submit="Save the new parameter",
                    ),
                    class_="card",
                ),
            ]
        )

    async def act(self, ask: Ask) -> Answered:
        name = ask.text("name")
        match ask.form.get("do"):
            case "show-parameter":
                kind, value = await self._aws.ask(lambda clients: _parameter(clients, name))
                return _shown("parameter", name, value, kind)
            case "show-secret":
                secret = await self._aws.ask(lambda clients: _secret(clients, name))
                return _shown("secret", name, secret)
            case "put-parameter":
                await self._aws.ask(
                    lambda clients: clients("ssm").put_parameter(
                        Name=name, Value=_value(ask), Type=ask.text("type"), Overwrite=True
                    )
                )
            case "put-secret":
                await self._aws.ask(
                    lambda clients: clients("secretsmanager").put_secret_value(
                        SecretId=name, SecretString=_value(ask)
                    )
                )
            case _:
                raise Refused("There is no such action.")
        return Done(f"Saved {name}.", address(self.name))


def _value(ask: Ask) -> str:
    return ask.text("value").replace("\r\n", "\n")


def _ask(kind: str, name: str) -> Html:
    """The button that shows a value. It is a form, so that no address or history leads to it."""
    return e(
        "form",
        hidden(do=f"show-{kind}", name=name),
        e("button", "Show", aria_label=f"Show the value of {name}"),
        method="post",
        action=address("parameters"),
    )


def _shown(kind: str, name: str, value: str | None, type_: str | None = None) -> Html:
    if value is None:
        raise Refused(f"{name} holds bytes, which are not shown here.")
    return joined(
        [
            e("h2", name),
            pre(pretty_text(value), f"Value of {name}"),
            details(
                "Change…",
                form(
                    "parameters",
                    f"put-{kind}",
                    *hidden(name=name, type=type_),
                    area("New value", "value", value, rows=4),
                    submit="Save",
                ),
                class_="card",
            ),
            e("p", link("Hide the value", address("parameters"))),
        ]
    )


def _further(name: str, token: str | None) -> Html | None:
    if not token:
        return None
    return pages(after=link("Further", address("parameters", **{name: token})))


def _listed(
    clients: Clients, after: str | None, after_secret: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    more = {"NextToken": after} if after else {}
    parameters = clients("ssm").describe_parameters(MaxResults=AT_ONCE, **more)
    more = {"NextToken": after_secret} if after_secret else {}
    secrets = clients("secretsmanager").list_secrets(MaxResults=AT_ONCE, **more)
    return parameters, secrets


def _changed(secret: dict[str, Any]) -> str:
    moment = secret.get("LastChangedDate")
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "—"


def _parameter(clients: Clients, name: str) -> tuple[str, str]:
    found = clients("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    return found["Type"], found["Value"]


def _secret(clients: Clients, name: str) -> str | None:
    answer: dict[str, Any] = clients("secretsmanager").get_secret_value(SecretId=name)
    return answer.get("SecretString")
