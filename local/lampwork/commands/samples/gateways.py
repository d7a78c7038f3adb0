"""Load balancers, authorizers of API Gateway, and AppSync."""

import time
import uuid
from typing import Any, Final

from lampwork.stack.model import ACCOUNT_ID
from lampwork.triggers.samples import REGION, Option, Sample, Service

ALB: Final = Service("alb", "Application Load Balancers.")
API_GATEWAY: Final = Service("apigateway", "API Gateway: HTTP, REST and WebSocket APIs.")
APPSYNC: Final = Service("appsync", "GraphQL APIs.")
METHOD_ARN: Final = (
    Option("restApiId", "abcdef123"),
    Option("stage", "prod"),
    Option("method", "GET"),
)


def _load_balancer(*, body: str, method: str, path: str, dns_suffix: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-alb.html"""
    group = f"targetgroup/lambda/{uuid.uuid4().hex[:16]}"
    return {
        "requestContext": {
            "elb": {
                "targetGroupArn": f"arn:aws:elasticloadbalancing:us-east-2:{ACCOUNT_ID}:{group}"
            }
        },
        "httpMethod": method,
        "path": f"/{path.lstrip('/')}",
        "queryStringParameters": {"query": "1234ABCD"},
        "headers": {
            "accept": "*/*",
            "accept-encoding": "gzip",
            "accept-language": "en-US,en",
            "connection": "keep-alive",
            "host": f"lambda-alb-123578498.{dns_suffix}",
            "user-agent": "curl/8.0",
            "x-amzn-trace-id": "Root=1-5c536348-3d683b8b04734faae651f476",
            "x-forwarded-for": "203.0.113.7",
            "x-forwarded-port": "80",
            "x-forwarded-proto": "http",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def _method_arn(region: str, api: str, stage: str, method: str, resource: str) -> str:
    path = f"{api}/{stage}/{method}/{resource.lstrip('/')}"
    return f"arn:aws:execute-api:{region}:{ACCOUNT_ID}:{path}"


def _token(
    *, restapiid: str, stage: str, method: str, resource: str, region: str
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html"""
    return {
        "type": "TOKEN",
        "authorizationToken": "allow",
        "methodArn": _method_arn(region, restapiid, stage, method, resource),
    }


def _request(
    *, restapiid: str, stage: str, method: str, resource: str, region: str
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html"""
    path = f"/{resource.lstrip('/')}"
    headers = {
        "Accept": "*/*",
        "HeaderAuth1": "headerValue1",
        "Host": f"{restapiid}.execute-api.{region}.amazonaws.com",
        "User-Agent": "curl/8.0",
        "X-AMZ-Date": "20260301T120000Z",
    }
    return {
        "type": "REQUEST",
        "methodArn": _method_arn(region, restapiid, stage, method, resource),
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {"QueryString1": "queryValue1"},
        "multiValueQueryStringParameters": {"QueryString1": ["queryValue1"]},
        "pathParameters": {},
        "stageVariables": {"StageVar1": "stageValue1"},
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": restapiid,
            "httpMethod": method,
            "identity": {"apiKey": "", "sourceIp": "203.0.113.7", "clientCert": None},
            "path": f"/{stage}{path}",
            "requestId": str(uuid.uuid4()),
            "resourceId": "123456",
            "resourcePath": path,
            "stage": stage,
        },
    }


def _resolver() -> dict[str, Any]:
    """https://docs.aws.amazon.com/appsync/latest/devguide/resolver-context-reference.html"""
    now = int(time.time())
    user = str(uuid.uuid4())
    issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_example"
    claims = {
        "sub": user,
        "aud": "client",
        "cognito:username": "ada",
        "email": "ada@example.com",
        "email_verified": True,
        "event_id": str(uuid.uuid4()),
        "token_use": "id",
        "iss": issuer,
        "auth_time": now,
        "iat": now,
        "exp": now + 3600,
    }
    return {
        "arguments": {"id": "my identifier"},
        "identity": {
            "claims": claims,
            "defaultAuthStrategy": "ALLOW",
            "groups": None,
            "issuer": issuer,
            "sourceIp": ["203.0.113.7"],
            "sub": user,
            "username": "ada",
        },
        "source": None,
        "request": {
            "domainName": None,
            "headers": {
                "accept": "application/json, text/plain, */*",
                "content-type": "application/json",
                "host": "example.appsync-api.us-east-1.amazonaws.com",
                "user-agent": "curl/8.0",
                "x-forwarded-for": "203.0.113.7",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https",
            },
        },
        "prev": None,
        "info": {
            "selectionSetList": ["id", "field1", "field2"],
            "selectionSetGraphQL": "{\n  id\n  field1\n  field2\n}",
            "parentTypeName": "Query",
            "fieldName": "getSomething",
            "variables": {},
        },
        "stash": {},
    }


SAMPLES: Final = (
    Sample(
        (ALB,),
        "request",
        "A request to a target group.",
        _load_balancer,
        (
            Option("body", '{"test":"body"}'),
            Option("method", "POST"),
            Option("path", "path/to/resource"),
            Option("dns-suffix", "us-east-2.elb.amazonaws.com"),
        ),
    ),
    Sample(
        (API_GATEWAY,),
        "authorizer",
        "A REST API asks a Lambda authorizer about a token.",
        _token,
        (*METHOD_ARN, Option("resource", "{proxy+}"), REGION),
    ),
    Sample(
        (API_GATEWAY,),
        "request-authorizer",
        "A REST API asks a Lambda authorizer about a request.",
        _request,
        (*METHOD_ARN, Option("resource", "request"), REGION),
    ),
    Sample((APPSYNC,), "resolver", "AppSync resolves a field.", _resolver),
)
