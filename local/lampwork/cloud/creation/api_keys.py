"""API keys and usage plans, for users who read a key's value by boto3. The gateways check keys as
the template gives them."""

from typing import Any

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Clients
from lampwork.cloud.moto_seam.apigateway import (
    disconnect,
    forget_key,
    forget_plan,
    put_key,
    put_plan,
)
from lampwork.stack.model import CloudResource


def create_key(clients: Clients, resource: CloudResource) -> Made:
    gateway, properties = clients("apigateway"), resource.properties
    forget_key(clients.region, properties["Id"])
    made = gateway.create_api_key(
        name=resource.name,
        value=properties["Value"],
        enabled=str(properties.get("Enabled")).lower() == "true",
        description=str(properties.get("Description") or ""),
    )
    put_key(clients.region, made["id"], properties["Id"])
    return {"id": properties["Id"]}


def delete_key(clients: Clients, made: Made) -> None:
    forget_key(clients.region, made["id"])


def create_plan(clients: Clients, resource: CloudResource) -> Made:
    gateway, properties = clients("apigateway"), resource.properties
    stages = [
        {"apiId": each["ApiId"], "stage": each["Stage"]} for each in properties.get("ApiStages", ())
    ]
    made = gateway.create_usage_plan(
        name=properties.get("UsagePlanName") or resource.name,
        apiStages=stages,
        **_limits(properties),
    )
    put_plan(clients.region, made["id"], properties["Id"])
    return {"id": properties["Id"]}


def delete_plan(clients: Clients, made: Made) -> None:
    forget_plan(clients.region, made["id"])


def connect(clients: Clients, resource: CloudResource) -> Made:
    properties = resource.properties
    clients("apigateway").create_usage_plan_key(
        usagePlanId=properties["UsagePlanId"], keyId=properties["KeyId"], keyType="API_KEY"
    )
    return {"plan": properties["UsagePlanId"], "key": properties["KeyId"]}


def take_out(clients: Clients, made: Made) -> None:
    disconnect(clients.region, made["plan"], made["key"])


def _limits(properties: Any) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if quota := properties.get("Quota"):
        limits["quota"] = {
            "limit": int(quota.get("Limit") or 0),
            "offset": int(quota.get("Offset") or 0),
            "period": quota.get("Period") or "DAY",
        }
    if throttle := properties.get("Throttle"):
        limits["throttle"] = {
            "rateLimit": float(throttle.get("RateLimit") or 0),
            "burstLimit": int(throttle.get("BurstLimit") or 0),
        }
    return limits
