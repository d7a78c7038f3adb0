import pytest

from lampwork.errors import TemplateError
from lampwork.stack.authorization import (
    Cors,
    IamAuthorizer,
    IdentitySource,
    JwtAuthorizer,
    LambdaAuthorizer,
    PoolAuthorizer,
)
from lampwork.stack.model import GatewayResponse, HttpRoute
from lampwork.stack.rest_methods import Integration, IntegrationResponse
from tests.emulator.stacks import read_text

AUTHORIZATION = IdentitySource("header", "Authorization")
SAM = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, CodeUri: ., Handler: app.handler}}
Resources:
  Judge: {Type: AWS::Serverless::Function}
"""
RAW = """
Resources:
  Work:
    Type: AWS::Lambda::Function
    Properties: {Handler: app.handler, Runtime: python3.11, Code: .}
"""


def uri(name: str) -> str:
    """A function's address as API Gateway wants it."""
    path = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions"
    return f'!Sub "{path}/${{{name}.Arn}}/invocations"'


def test_routes_of_sams_http_api_have_their_authorizers(tmp_path):
    template = SAM
    template += """\
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Tokens
        EnableIamAuthorizer: true
        Authorizers:
          Tokens:
            IdentitySource: $request.header.Authorization
            AuthorizationScopes: [read]
            JwtConfiguration: {issuer: "https://id.example", audience: [web]}
          Keys:
            FunctionArn: !GetAtt Judge.Arn
            AuthorizerPayloadFormatVersion: "2.0"
            EnableSimpleResponses: true
            Identity: {Headers: [X-Key], QueryStrings: [q], ReauthorizeEvery: 30}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /jwt, Method: GET}}
        B:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Path: /keys, Method: GET, Auth: {Authorizer: Keys}}
        C:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Path: /iam, Method: GET, Auth: {Authorizer: AWS_IAM}}
        D:
          Type: HttpApi
          Properties:
            {ApiId: !Ref Api, Path: /open, Method: GET, Auth: {Authorizer: NONE},
             PayloadFormatVersion: "1.0"}
"""

    (api,) = read_text(tmp_path, template).http_apis

    routes = {route.path: route for route in api.routes}
    assert routes["/jwt"].authorizer == JwtAuthorizer(
        "Tokens", "https://id.example", ("web",), AUTHORIZATION
    )
    assert routes["/jwt"].scopes == ("read",)
    assert routes["/keys"].authorizer == LambdaAuthorizer(
        "Keys",
        "Judge",
        (IdentitySource("header", "X-Key"), IdentitySource("querystring", "q")),
        ttl_seconds=30,
        payload_format="2.0",
        simple_responses=True,
    )
    assert routes["/iam"].authorizer == IamAuthorizer()
    assert (routes["/open"].authorizer, routes["/open"].payload_format) == (None, "1.0")


def test_an_http_api_without_sam_has_authorizers_cors_and_every_stage(tmp_path):
    template = RAW
    template += f"""\
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      ProtocolType: HTTP
      CorsConfiguration: {{AllowOrigins: ["*"], AllowMethods: [GET], MaxAge: 60}}
  Tokens:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Api
      Name: tokens
      AuthorizerType: JWT
      IdentitySource: [$request.header.Authorization]
      JwtConfiguration: {{Issuer: "https://id.example", Audience: [web]}}
  Keys:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Api
      Name: keys
      AuthorizerType: REQUEST
      AuthorizerUri: {uri("Work")}
      AuthorizerPayloadFormatVersion: "2.0"
      IdentitySource: [$request.header.X-Key, $context.routeKey]
      AuthorizerResultTtlInSeconds: 60
  ToWork:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {{ApiId: !Ref Api, IntegrationUri: !GetAtt Work.Arn, PayloadFormatVersion: "1.0"}}
  A:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: GET /a
      Target: !Sub integrations/${{ToWork}}
      AuthorizationType: JWT
      AuthorizerId: !Ref Tokens
      AuthorizationScopes: [read]
  B:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: GET /b
      Target: !Sub integrations/${{ToWork}}
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Keys
  Live:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {{ApiId: !Ref Api, StageName: live, StageVariables: {{tier: gold, level: 3}}}}
  Default:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {{ApiId: !Ref Api, StageName: $default}}
"""

    stack = read_text(tmp_path, template)

    assert [(api.stage, dict(api.stage_variables)) for api in stack.http_apis] == [
        ("live", {"tier": "gold", "level": "3"}),
        ("$default", {}),
    ]
    api = stack.http_apis[0]
    assert api.cors == Cors(allow_origins=("*",), allow_methods=("GET",), max_age=60)
    a, b = api.routes
    assert a.authorizer == JwtAuthorizer("tokens", "https://id.example", ("web",), AUTHORIZATION)
    assert (a.scopes, a.payload_format) == (("read",), "1.0")
    assert b.authorizer == LambdaAuthorizer(
        "keys",
        "Work",
        (IdentitySource("header", "X-Key"), IdentitySource("context", "routeKey")),
        ttl_seconds=60,
        payload_format="2.0",
    )
    assert stack.ignored == ()


def test_an_http_api_may_name_its_function_itself(tmp_path):
    template = RAW
    template += """\
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {ProtocolType: HTTP, Target: !GetAtt Work.Arn}
"""

    (api,) = read_text(tmp_path, template).http_apis

    assert (api.stage, api.routes) == ("$default", (HttpRoute("ANY", "$default", "Work"),))


def test_an_http_api_may_be_an_openapi_definition(tmp_path):
    (tmp_path / "openapi.yaml").write_text(f"""\
openapi: 3.0.1
paths:
  /a:
    get:
      security: [{{Tokens: [read]}}]
      x-amazon-apigateway-integration:
        {{type: aws_proxy, payloadFormatVersion: "2.0", uri: {uri("Judge")}}}
  /b:
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-integration:
        {{type: aws_proxy, payloadFormatVersion: "1.0", uri: {uri("Judge")}}}
components:
  securitySchemes:
    Tokens:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: jwt
        identitySource: $request.header.Authorization
        jwtConfiguration: {{issuer: "https://id.example", audience: [web]}}
x-amazon-apigateway-cors: {{allowOrigins: ["https://a.example"]}}
""")
    template = SAM
    template += """\
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {DefinitionUri: openapi.yaml}
"""

    (api,) = read_text(tmp_path, template).http_apis

    tokens = JwtAuthorizer("Tokens", "https://id.example", ("web",), AUTHORIZATION)
    assert api.routes == (
        HttpRoute("GET", "/a", "Judge", authorizer=tokens, scopes=("read",)),
        HttpRoute("ANY", "/b", "Judge", payload_format="1.0"),
    )
    assert api.cors == Cors(allow_origins=("https://a.example",))


def test_the_default_route_of_an_openapi_definition_takes_every_path(tmp_path):
    template = SAM
    template += """\
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {FailOnWarnings: true}  # with this SAM writes the path `/$default`
  Web:
    Type: AWS::Serverless::Function
    Properties: {Events: {All: {Type: HttpApi, Properties: {ApiId: !Ref Api}}}}
"""

    (api,) = read_text(tmp_path, template).http_apis

    assert api.routes == (HttpRoute("ANY", "$default", "Web"),)


def test_a_rest_api_of_sam_has_authorizers_cors_methods_and_its_own_errors(tmp_path):
    template = SAM
    template += """\
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Variables: {tier: gold}
      BinaryMediaTypes: [image~1png]
      Cors: "'https://a.example'"
      GatewayResponses:
        DEFAULT_4XX:
          ResponseParameters: {Headers: {Access-Control-Allow-Origin: "'*'"}}
          ResponseTemplates: {application/json: '{"e": $context.error.messageString}'}
      Auth:
        DefaultAuthorizer: Keys
        AddDefaultAuthorizerToCorsPreflight: false
        Authorizers:
          Keys:
            FunctionArn: !GetAtt Judge.Arn
            Identity: {Header: X-Key, ValidationExpression: "k.*", ReauthorizeEvery: 5}
          Pool: {UserPoolArn: "arn:aws:cognito-idp:eu-west-1:1:userpool/x"}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: Api, Properties: {RestApiId: !Ref Api, Path: "/a/{id}", Method: get}}
        B:
          Type: Api
          Properties:
            {RestApiId: !Ref Api, Path: /b, Method: post, Auth: {Authorizer: Pool}}
        C:
          Type: Api
          Properties:
            RestApiId: !Ref Api
            Path: /c
            Method: post
            Auth: {Authorizer: NONE, ApiKeyRequired: true}
"""

    stack = read_text(tmp_path, template)

    (api,) = stack.rest_apis
    keys = LambdaAuthorizer(
        "Keys",
        "Judge",
        (IdentitySource("header", "X-Key"),),
        ttl_seconds=5,
        kind="TOKEN",
        pattern="k.*",
    )
    routes = {(route.method, route.path): route for route in api.routes}
    assert (api.stage, api.stage_variables) == ("prod", {"tier": "gold"})
    assert routes["GET", "/a/{id}"] == HttpRoute(
        *("GET", "/a/{id}", "Work", 29), payload_format="1.0", authorizer=keys
    )
    preflight = routes["OPTIONS", "/a/{id}"]
    assert preflight.authorizer is None
    headers = {
        "Access-Control-Allow-Origin": "'https://a.example'",
        "Access-Control-Allow-Methods": "'GET,OPTIONS'",
    }
    assert preflight.integration == Integration(
        "MOCK",
        templates={"application/json": '{\n  "statusCode" : 200\n}\n'},
        responses=(IntegrationResponse(200, None, headers, {"application/json": "{}\n"}),),
    )
    assert api.binary_media_types == ("image/png",)
    assert api.gateway_responses == {
        "DEFAULT_4XX": GatewayResponse(
            headers={"Access-Control-Allow-Origin": "'*'"},
            template='{"e": $context.error.messageString}',
        )
    }
    assert routes["POST", "/b"].authorizer == PoolAuthorizer(
        "Pool", ("arn:aws:cognito-idp:eu-west-1:1:userpool/x",), AUTHORIZATION
    )
    assert routes["POST", "/c"].needs_api_key
    assert stack.ignored == ()


def test_a_rest_route_of_a_function_that_cannot_run_here_says_so(tmp_path):
    template = SAM
    template += """\
  Other:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: ruby3.3
      Events: {Get: {Type: Api, Properties: {Path: /, Method: get}}}
"""

    _, route = read_text(tmp_path, template).ignored

    assert (route.logical_id, route.line, route.type) == ("Other", 6, "route GET /")
    assert route.reason == "it leads to no function that runs here"


def test_a_rest_api_without_sam_is_read_from_its_resources(tmp_path):
    template = RAW
    template += f"""\
  Api: {{Type: AWS::ApiGateway::RestApi}}
  Items:
    Type: AWS::ApiGateway::Resource
    Properties: {{RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: items}}
  Item:
    Type: AWS::ApiGateway::Resource
    Properties: {{RestApiId: !Ref Api, ParentId: !Ref Items, PathPart: "{{id}}"}}
  Keys:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      RestApiId: !Ref Api
      Name: keys
      Type: REQUEST
      IdentitySource: method.request.header.X-Key, context.path
      AuthorizerUri: {uri("Work")}
  GetItem:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Item
      HttpMethod: GET
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Keys
      Integration: {{Type: AWS_PROXY, TimeoutInMillis: 5000, Uri: {uri("Work")}}}
  GetRoot:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: ANY
      AuthorizationType: NONE
      Integration: {{Type: HTTP_PROXY, Uri: "https://a.example"}}
  Deployment:
    Type: AWS::ApiGateway::Deployment
    Properties: {{RestApiId: !Ref Api, StageName: live}}
"""

    stack = read_text(tmp_path, template)

    (api,) = stack.rest_apis
    keys = LambdaAuthorizer(
        "keys",
        "Work",
        (IdentitySource("header", "X-Key"), IdentitySource("context", "path")),
        ttl_seconds=300,
    )
    assert api.stage == "live"
    assert api.routes == (
        HttpRoute("GET", "/items/{id}", "Work", 5, payload_format="1.0", authorizer=keys),
        HttpRoute(
            *("ANY", "/", "", 29, "1.0"),
            integration=Integration("HTTP_PROXY", "https://a.example"),
        ),
    )
    assert stack.ignored == ()


def test_a_two_way_route_needs_its_expression_and_a_route_response(tmp_path):
    template = SAM
    template += """\
  Sockets:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: live
      StageVariables: {tier: gold}
      RouteSelectionExpression: $request.body.action
      Auth:
        AuthType: CUSTOM
        AuthArn: !GetAtt Judge.Arn
        IdentitySource: [route.request.querystring.token]
      Routes:
        $connect: {FunctionArn: !GetAtt Judge.Arn}
        ask: {FunctionArn: !GetAtt Judge.Arn, RouteResponseSelectionExpression: $default}
        tell: {FunctionArn: !GetAtt Judge.Arn, RouteResponseSelectionExpression: $default}
  Answer:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: {ApiId: !Ref Sockets, RouteId: !Ref SocketsAskRoute, RouteResponseKey: $default}
"""

    stack = read_text(tmp_path, template)

    (api,) = stack.websocket_apis
    assert {key: route.two_way for key, route in api.routes.items()} == {
        "$connect": False,
        "ask": True,
        "tell": False,
    }
    assert api.stage_variables == {"tier": "gold"}
    assert api.authorizer == LambdaAuthorizer(
        "SocketsConnectAuthorizer", "Judge", (IdentitySource("querystring", "token"),)
    )
    assert stack.ignored == ()


def test_a_websocket_api_without_a_stage_has_no_address_and_is_named(tmp_path):
    template = """
        Resources:
          Sockets:
            Type: AWS::ApiGatewayV2::Api
            Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
        """

    stack = read_text(tmp_path, template)

    assert stack.websocket_apis == ()
    assert stack.ignored[0].reason == "it has no AWS::ApiGatewayV2::Stage, and so no address"


def test_a_function_url_has_its_settings_and_its_address_is_known(tmp_path):
    template = SAM
    template += """\
  Work:
    Type: AWS::Serverless::Function
    Properties:
      FunctionUrlConfig: {AuthType: AWS_IAM, Cors: {AllowOrigins: ["*"], AllowMethods: [GET]}}
  Other:
    Type: AWS::Serverless::Function
    Properties: {Environment: {Variables: {URL: !GetAtt WorkUrl.FunctionUrl}}}
"""

    stack = read_text(tmp_path, template)

    (url,) = stack.function_urls
    assert (url.function, url.authorizer) == ("Work", IamAuthorizer())
    assert url.cors == Cors(allow_origins=("*",), allow_methods=("GET",))
    assert stack.functions["Other"].environment["URL"] == (
        f"https://{url.url_id}.lambda-url.eu-west-1.on.aws/"
    )


def test_an_authorizer_that_leads_nowhere_leaves_no_route_open(tmp_path):
    template = SAM
    template += """\
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Keys
        Authorizers:
          Keys:
            FunctionArn: arn:aws:lambda:eu-west-1:1:function:elsewhere
            AuthorizerPayloadFormatVersion: "2.0"
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Events: {A: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /, Method: GET}}}
"""

    stack = read_text(tmp_path, template)

    (route,) = stack.http_apis[0].routes
    assert isinstance(route.authorizer, LambdaAuthorizer)
    assert stack.ignored[0].type == "authorizer Keys"


@pytest.mark.parametrize(
    ("authorizer", "problem"),
    [
        ("AuthorizerType: JWT", "needs an issuer in its JwtConfiguration"),
        (
            'AuthorizerType: REQUEST, AuthorizerUri: x, IdentityValidationExpression: "(a"',
            "is not a regular expression",
        ),
        (
            "AuthorizerType: REQUEST, IdentitySource: [header.X], AuthorizerUri: x",
            "'header.X' is not an identity source; write \\$request.header.NAME",
        ),
    ],
)
def test_an_authorizer_that_aws_would_refuse_is_reported_with_its_line(
    tmp_path, authorizer, problem
):
    template = RAW
    template += f"""\
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{ProtocolType: HTTP}}}}
  ToWork:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {{ApiId: !Ref Api, IntegrationUri: !GetAtt Work.Arn}}
  Keys:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties: {{ApiId: !Ref Api, {authorizer}}}
  A:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: GET /a
      Target: !Sub integrations/${{ToWork}}
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Keys
"""

    with pytest.raises(TemplateError, match=rf"template.yaml:(10|12): .*{problem}"):
        read_text(tmp_path, template)


def test_api_gateway_fills_in_awss_variables_of_a_definition(tmp_path):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/import-api-aws-variables.html

    The shape is that of aws-samples/serverless-patterns, apigw-sns-sms."""
    (tmp_path / "api.yaml").write_text("""\
openapi: 3.0.1
paths:
  /:
    post:
      x-amazon-apigateway-integration:
        type: aws
        httpMethod: POST
        uri: arn:${AWS::Partition}:apigateway:${AWS::Region}:sns:path//
        requestTemplates: {application/json: "${AWS::AccountId} ${other}"}
""")
    template = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: dev
      DefinitionBody:
        Fn::Transform: {Name: AWS::Include, Parameters: {Location: ./api.yaml}}
"""

    (api,) = read_text(tmp_path, template).rest_apis

    integration = api.routes[0].integration
    assert integration is not None
    assert integration.uri == "arn:aws:apigateway:eu-west-1:sns:path//"
    assert integration.templates == {"application/json": "000000000000 ${other}"}


def test_methods_of_cloudformation_are_for_the_users_of_a_pool(tmp_path):
    """As the CDK writes a CognitoUserPoolsAuthorizer with authorizationScopes."""
    stack = read_text(
        tmp_path,
        """\
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
          Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}
          Members:
            Type: AWS::ApiGateway::Authorizer
            Properties:
              Name: members
              RestApiId: !Ref Api
              Type: COGNITO_USER_POOLS
              IdentitySource: method.request.header.X-Token
              ProviderARNs: [!GetAtt Pool.Arn]
          Read:
            Type: AWS::ApiGateway::Method
            Properties:
              RestApiId: !Ref Api
              ResourceId: !GetAtt Api.RootResourceId
              HttpMethod: GET
              AuthorizationType: COGNITO_USER_POOLS
              AuthorizerId: !Ref Members
              AuthorizationScopes: [books/read]
              Integration:
                Type: AWS_PROXY
                Uri: !Sub arn:aws:apigateway:x:lambda:path/x/functions/${Work.Arn}/invocations
          Deployment: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api}}
          Stage:
            Type: AWS::ApiGateway::Stage
            Properties: {RestApiId: !Ref Api, DeploymentId: !Ref Deployment, StageName: prod}
          Work:
            Type: AWS::Lambda::Function
            Properties:
              Runtime: python3.13
              Handler: index.handler
              Role: x
              Code: {ZipFile: "def handler(event, context): pass"}
        """,
    )

    (route,) = stack.rest_apis[0].routes
    (pool,) = (each for each in stack.resources if each.type == "AWS::Cognito::UserPool")
    arn = f"arn:aws:cognito-idp:eu-west-1:000000000000:userpool/{pool.properties['Id']}"
    assert route.authorizer == PoolAuthorizer(
        "members", (arn,), IdentitySource("header", "X-Token")
    )
    assert route.scopes == ("books/read",)
    assert stack.ignored == ()


def test_the_custom_domains_of_apis_are_read_with_those_that_sam_makes(tmp_path):
    template = SAM.replace("Resources:", "Parameters: {Zone: {Type: String}}\nResources:")
    template += """\
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {Domain: {DomainName: !Sub "api.${Zone}", CertificateArn: arn:aws:acm:a}}
  Custom:
    Type: AWS::ApiGateway::DomainName
    Properties: {DomainName: shop.example.com}
"""

    stack = read_text(tmp_path, template, Zone="example.org")

    assert set(stack.domains) == {"api.example.org", "shop.example.com"}
