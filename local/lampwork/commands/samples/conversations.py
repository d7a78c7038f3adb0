"""Lex, version 1 and 2, and Connect."""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from lampwork.stack.model import ACCOUNT_ID
from lampwork.timestamps import iso_milliseconds
from lampwork.triggers.samples import REGION, Option, Sample, Service

LEX: Final = Service("lex", "Lex, version 1.")
LEX_V2: Final = Service("lex-v2", "Lex, version 2.")
CONNECT: Final = Service("connect", "Contact centres.")


def _turn(bot: str, intent: str, slots: Mapping[str, object]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lex/latest/dg/lambda-input-response-format.html"""
    return {
        "messageVersion": "1.0",
        "invocationSource": "DialogCodeHook",
        "userId": "ada",
        "sessionAttributes": {},
        "bot": {"name": bot, "alias": "$LATEST", "version": "$LATEST"},
        "outputDialogMode": "Text",
        "currentIntent": {
            "name": intent,
            "slots": dict(slots),
            "confirmationStatus": "None",
        },
    }


def _turn_2(bot: str, intent: str, said: str, slots: Mapping[str, str | None]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lexv2/latest/dg/lambda-input-format.html"""
    filled = {name: _slot(value) for name, value in slots.items()}
    current = {
        "name": intent,
        "state": "InProgress" if any(slots.values()) else "ReadyForFulfillment",
        "confirmationState": "None",
        "slots": filled,
    }
    missing = next((name for name, value in slots.items() if value is None), None)
    event: dict[str, Any] = {
        "messageVersion": "1.0",
        "invocationSource": "DialogCodeHook",
        "inputMode": "Text",
        "responseContentType": "text/plain; charset=utf-8",
        "sessionId": str(uuid.uuid4()),
        "inputTranscript": said,
        "bot": {
            "id": "EXAMPLEBOT",
            "name": bot,
            "aliasId": "TSTALIASID",
            "aliasName": "TestBotAlias",
            "localeId": "en_US",
            "version": "DRAFT",
        },
        "interpretations": [{"intent": current, "nluConfidence": 0.9}],
        "sessionState": {
            "activeContexts": [],
            "sessionAttributes": {},
            "intent": current,
            "originatingRequestId": str(uuid.uuid4()),
        },
        "transcriptions": [
            {
                "transcription": said,
                "transcriptionConfidence": 1.0,
                "resolvedContext": {"intent": intent},
                "resolvedSlots": {name: slot for name, slot in filled.items() if slot},
            }
        ],
    }
    if missing:
        action = {"type": "ElicitSlot", "slotToElicit": missing}
        event["proposedNextState"] = {"intent": current, "dialogAction": action}
    return event


def _slot(value: str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    values = {"originalValue": value, "interpretedValue": value, "resolvedValues": [value]}
    return {"shape": "Scalar", "value": values}


def _contact(*, contact_id: str, phone_number: str, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/connect/latest/adminguide/connect-lambda-functions.html"""
    instance = f"instance/{uuid.uuid4()}"
    audio = {
        "StreamARN": f"arn:aws:kinesisvideo:{region}:{ACCOUNT_ID}:stream/contact",
        "StartTimestamp": iso_milliseconds(),
        "StartFragmentNumber": "1",
    }
    return {
        "Name": "ContactFlowEvent",
        "Details": {
            "ContactData": {
                "Attributes": {},
                "Channel": "VOICE",
                "ContactId": contact_id,
                "CustomerEndpoint": {"Address": phone_number, "Type": "TELEPHONE_NUMBER"},
                "InitialContactId": contact_id,
                "InitiationMethod": "INBOUND",
                "InstanceARN": f"arn:aws:connect:{region}:{ACCOUNT_ID}:{instance}",
                "MediaStreams": {"Customer": {"Audio": audio}},
                "PreviousContactId": contact_id,
                "Queue": None,
                "SystemEndpoint": {"Address": "+15550100", "Type": "TELEPHONE_NUMBER"},
            },
            "Parameters": {},
        },
    }


CAR: Final = {
    "PickUpCity": "Chicago",
    "PickUpDate": "2030-11-08",
    "ReturnDate": "2030-11-08",
    "CarType": "economy",
    "DriverAge": 21,
}
HOTEL: Final = {
    "Location": "Chicago",
    "CheckInDate": "2030-11-08",
    "Nights": 4,
    "RoomType": "queen",
}
SAMPLES: Final = (
    Sample((LEX,), "book-car", "A bot rents out cars.", partial(_turn, "BookTrip", "BookCar", CAR)),
    Sample(
        *((LEX,), "book-hotel", "A bot books hotels."),
        partial(_turn, "BookTrip", "BookHotel", HOTEL),
    ),
    Sample(
        *((LEX,), "make-appointment", "A bot makes appointments."),
        partial(
            _turn,
            "MakeAppointment",
            "MakeAppointment",
            {"AppointmentType": "cleaning", "Date": "2030-11-08", "Time": "10:00"},
        ),
    ),
    Sample(
        *((LEX,), "order-flowers", "A bot sells flowers."),
        partial(
            _turn,
            "OrderFlowers",
            "OrderFlowers",
            {"FlowerType": "lilies", "PickupDate": "2030-11-08", "PickupTime": "10:00"},
        ),
    ),
    Sample(
        *((LEX_V2,), "book-car", "A bot rents out cars."),
        partial(_turn_2, "BookTrip", "BookCar", "Book a car", dict.fromkeys(CAR)),
    ),
    Sample(
        *((LEX_V2,), "book-hotel", "A bot books hotels."),
        partial(_turn_2, "BookTrip", "BookHotel", "Book a hotel", dict.fromkeys(HOTEL)),
    ),
    Sample(
        *((LEX_V2,), "banking-bot", "A bot knows an account's balance."),
        partial(
            _turn_2,
            "BankingBot",
            "CheckBalance",
            "1990-01-01",
            {"accountType": "Checking", "dateofBirth": "1990-01-01"},
        ),
    ),
    Sample(
        *((CONNECT,), "contact-flow-event", "A contact flow calls a function.", _contact),
        (
            Option("contact-id", "5ca32fbd-8f92-46af-92a5-6b0f970f0efe"),
            Option("phone-number", "+15550101"),
            REGION,
        ),
    ),
)
