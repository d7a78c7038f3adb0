from tests.emulator.stacks import read_text

TEMPLATE = """
    Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
    Parameters: {Names: {Type: CommaDelimitedList, Default: "users, blog-posts"}}
    Mappings: {Sizes: {small: {Widths: [1, 2]}}}
    Globals: {Function: {Runtime: python3.11, CodeUri: ., Handler: app.handler}}
    Resources:
      Fn::ForEach::Services:
        - Name
        - !Ref Names
        - "Api&{Name}":
            Type: AWS::Serverless::Function
            Properties:
              Handler: !Sub "${Name}.handler"
              Environment: {Variables: {NAME: !Ref Name, QUEUE: !GetAtt "Queue&{Name}.QueueName"}}
              Events:
                Get: {Type: HttpApi, Properties: {Path: "/${Name}/{id}", Method: get}}
          "Queue&{Name}": {Type: AWS::SQS::Queue, Properties: {QueueName: "${Name}"}}
      Fn::ForEach::Kinds:
        - Kind
        - [thumb, card]
        - Fn::ForEach::Widths:
            - Width
            - !FindInMap [Sizes, small, Widths]
            - "${Kind}${Width}": {Type: AWS::SQS::Queue}
    """


def test_a_loop_makes_a_resource_for_each_item(tmp_path):
    stack = read_text(tmp_path, TEMPLATE)

    assert {each.handler for each in stack.functions.values()} == {
        "users.handler",
        "blog-posts.handler",
    }
    assert stack.functions["Apiblogposts"].environment == {
        "NAME": "blog-posts",
        "QUEUE": "blog-posts",
    }
    assert stack.functions["Apiblogposts"].line == 7
    (api,) = stack.http_apis
    assert {(route.key, route.function) for route in api.routes} == {
        ("GET /users/{id}", "Apiusers"),
        ("GET /blog-posts/{id}", "Apiblogposts"),
    }


def test_a_loop_may_contain_another(tmp_path):
    stack = read_text(tmp_path, TEMPLATE)

    assert {queue.logical_id for queue in stack.queues} >= {
        *("thumb1", "thumb2", "card1", "card2"),
    }


def test_a_given_parameter_decides_what_a_loop_goes_over(tmp_path):
    stack = read_text(tmp_path, TEMPLATE, Names="orders")

    assert list(stack.functions) == ["Apiorders"]


def test_a_loop_over_nothing_makes_nothing(tmp_path):
    stack = read_text(tmp_path, TEMPLATE, Names="")

    assert (stack.functions, stack.ignored) == ({}, ())
