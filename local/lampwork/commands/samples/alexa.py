"""https://developer.amazon.com/en-US/docs/alexa/custom-skills/request-and-response-json-reference.html
https://developer.amazon.com/en-US/docs/alexa/device-apis/overview-smart-home-apis.html
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from lampwork.timestamps import iso_seconds
from lampwork.triggers.samples import Option, Sample, Service

SKILLS: Final = Service("alexa-skills-kit", "Custom skills.")
HOME: Final = Service("alexa-smart-home", "Smart home skills, in the older payload version 2.")
OPTIONS: Final = (
    Option("session-id", "amzn1.echo-api.session.1"),
    Option("user-id", "amzn1.ask.account.TEST"),
    Option("application-id", "amzn1.ask.skill.1"),
    Option("request-id", "amzn1.echo-api.request.1"),
)
# What the skill of AWS's sample of a quiz keeps between its turns.
QUIZ: Final = {
    "STATE": "_TRIVIA",
    "questions": [0, 1, 2, 3, 4],
    "currentQuestionIndex": 0,
    "correctAnswerIndex": 2,
    "correctAnswerText": "four",
    "score": 0,
    "speechOutput": "How many legs has a cat?",
    "repromptText": "How many legs has a cat?",
}


def _request(
    kind: str,
    details: Mapping[str, Any],
    attributes: Mapping[str, Any],
    *,
    session_id: str,
    user_id: str,
    application_id: str,
    request_id: str,
) -> dict[str, Any]:
    application, user = {"applicationId": application_id}, {"userId": user_id}
    device: dict[str, Any] = {"supportedInterfaces": {"AudioPlayer": {}}}
    return {
        "version": "1.0",
        "session": {
            "new": kind == "LaunchRequest",
            "sessionId": session_id,
            "application": application,
            "attributes": dict(attributes),
            "user": user,
        },
        "context": {
            "AudioPlayer": {"playerActivity": "IDLE"},
            "System": {"application": application, "user": user, "device": device},
        },
        "request": {
            "type": kind,
            "requestId": request_id,
            "timestamp": iso_seconds(datetime.now(UTC)),
            "locale": "en-US",
            **details,
        },
    }


def _intent(name: str, slot: str = "", value: str = "", *, quiz: bool = False) -> Any:
    slots = {slot: {"name": slot, "value": value}} if slot else {}
    details = {"intent": {"name": name, "slots": slots}}
    return partial(_request, "IntentRequest", details, QUIZ if quiz else {})


def _directive(namespace: str, name: str) -> dict[str, Any]:
    appliance = {"applianceId": "lamp-1", "additionalApplianceDetails": {}}
    controls = namespace.endswith("Control")
    return {
        "header": {
            "messageId": str(uuid.uuid4()),
            "name": name,
            "namespace": namespace,
            "payloadVersion": "2",
        },
        "payload": {"accessToken": "token", **({"appliance": appliance} if controls else {})},
    }


def _of_home(name: str, about: str, namespace: str, directive: str) -> Sample:
    make = partial(_directive, f"Alexa.ConnectedHome.{namespace}", directive)
    return Sample((HOME,), name, about, make)


SAMPLES: Final = (
    Sample(
        *((SKILLS,), "start-session", "A user opens a skill."),
        partial(_request, "LaunchRequest", {}, {}),
        OPTIONS,
    ),
    Sample(
        *((SKILLS,), "end-session", "A session ends."),
        partial(_request, "SessionEndedRequest", {"reason": "USER_INITIATED"}, {}),
        OPTIONS,
    ),
    Sample(
        *((SKILLS,), "intent-answer", "A user answers the question of a quiz."),
        _intent("AnswerIntent", "Item", "2", quiz=True),
        OPTIONS,
    ),
    Sample(
        *((SKILLS,), "intent-getnewfact", "A user asks for a fact."),
        _intent("GetNewFactIntent"),
        OPTIONS,
    ),
    Sample(
        *((SKILLS,), "intent-mycoloris", "A user names a colour."),
        _intent("MyColorIsIntent", "Color", "blue"),
        OPTIONS,
    ),
    Sample(
        *((SKILLS,), "intent-recipe", "A user asks for a recipe."),
        _intent("RecipeIntent", "Item", "snow golem"),
        OPTIONS,
    ),
    _of_home(
        "smart-home-discovery-request",
        "Alexa looks for devices.",
        "Discovery",
        "DiscoverAppliancesRequest",
    ),
    _of_home(
        "smart-home-control-turn-on-request", "A device is turned on.", "Control", "TurnOnRequest"
    ),
    _of_home(
        "smart-home-control-turn-off-request",
        "A device is turned off.",
        "Control",
        "TurnOffRequest",
    ),
)
