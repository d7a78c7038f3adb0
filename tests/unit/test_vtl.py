"""Mapping templates. Rows without another source are the Velocity user guide's:
https://velocity.apache.org/engine/1.7/user-guide.html
"""

import json
import textwrap
from typing import Any

import pytest

from lampwork.vtl.java import ContextMap, TemplateFailure
from lampwork.vtl.mapping import render_mapping


def rendered(template, body="", context=None, stage=None, **parameters):
    return render_mapping(
        textwrap.dedent(template),
        body=body if isinstance(body, str) else json.dumps(body),
        parameters=parameters,
        context=context if context is not None else {},
        stage_variables=stage or {},
    )


PATH = '#set($result = $input.path("$.json"))'
MISSING = (
    '{"body": $result, "nested": $result.nested, "isNull": #if( $result == $null )"true"'
    '#else"false"#end, "isEmptyString": #if( $result == "" )"true"#else"false"#end}'
)
EMPTY = '{"body": , "nested": , "isNull": "true", "isEmptyString": "true"}'


# Recorded on AWS: localstack/localstack, tests/aws/services/apigateway,
# test_apigateway_common.snapshot.json, test_input_path_template_formatting.
@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        (PATH + "$result", {"foo": "bar"}, "{foo=bar}"),
        (PATH + "$result", [{"foo": "bar"}], '[{"foo":"bar"}]'),
        (PATH + "$result.nested", {"nested": {"foo": "bar"}}, "{foo=bar}"),
        (PATH + "$result.nested", {"nested": [{"foo": "bar"}]}, '[{"foo":"bar"}]'),
        (PATH + "$result[0]", [{"foo": "bar"}], "{foo=bar}"),
        (PATH + "$result[0]", [[{"foo": "bar"}]], '[{"foo":"bar"}]'),
        (PATH + "$result", {"foo": [{"nested": "bar"}]}, '{foo=[{"nested":"bar"}]}'),
        (
            PATH + "$result",
            {"bigger": "dict", "to": "test", "with": "separators"},
            "{bigger=dict, to=test, with=separators}",
        ),
        (PATH + "$result.toString()", {"foo": "bar"}, "{foo=bar}"),
        (PATH + "$result.toString()", {"list": [{"foo": "bar"}]}, '{list=[{"foo":"bar"}]}'),
        ('#set($result = $input.path("$.nonExisting"))' + MISSING, None, EMPTY),
        (
            '#set($result = $input.path("$.json.listValue"))' + MISSING,
            {"listValue": []},
            '{"body": [], "nested": , "isNull": "false", "isEmptyString": "false"}',
        ),
        (
            '#set($result = $input.path("$.json.listValue"))' + MISSING,
            {"listValue": None},
            EMPTY,
        ),
    ],
)
def test_what_a_path_leads_to_is_written_as_java_writes_it(template, value, text):
    assert rendered(template, {"json": value}) == text


# Recorded on AWS: the same file, test_input_body_formatting.
@pytest.mark.parametrize(
    ("template", "body", "text"),
    [
        ("#set($result = $input.body)$result", "", "{}"),
        ("#set($result = $input.body)$result", '{"some": "value"}', '{"some": "value"}'),
        ("#set($result = $input.body)$result", "some raw data", "some raw data"),
        ("Action=SendMessage&MessageBody=$input.body", "a b", "Action=SendMessage&MessageBody=a b"),
        ("#set($result = $input.body.testAccess)$result", '{"some": "value"}', ""),
        (
            "A=$util.urlEncode($input.body)&B=$util.urlEncode($input.body.testAccess)",
            '{"some": "value"}',
            "A=%7B%22some%22%3A+%22value%22%7D&B=",
        ),
        ("A=$util.urlEncode($input.body)", "", "A=%7B%7D"),
    ],
)
def test_the_body_is_a_text_and_braces_where_it_is_empty(template, body, text):
    assert rendered(template, body) == text


def test_overrides_are_kept_in_the_context():
    """Recorded on AWS: localstack/localstack, test_apigateway_integrations.snapshot.json,
    test_integration_mock_with_vtl_map_assignation and …_with_response_override_…"""
    context: dict[str, Any] = {
        "requestOverride": {"path": {}, "querystring": {}, "header": {}},
        "responseOverride": {"header": {}},
    }

    text = rendered(
        """
        #set($paramName = "foo")
        #set($context.requestOverride.querystring[$paramName] = "bar")
        #set($paramPutName = "putfoo")
        $context.requestOverride.querystring.put($paramPutName, "putBar")
        #set($context["requestOverride"].querystring["nestedfoo"] = "nestedFoo")
        #set($context.responseOverride.status = 444)
        #set($context.responseOverride.custom = "is also passed around")
        {
          "statusCode": 200
        }
        """,
        context=context,
    )

    query = {"foo": "bar", "putfoo": "putBar", "nestedfoo": "nestedFoo"}
    assert context["requestOverride"]["querystring"] == query
    assert context["responseOverride"] == {
        **{"header": {}, "status": 444, "custom": "is also passed around"}
    }
    assert json.loads(text) == {"statusCode": 200}


def test_a_parsed_text_can_be_compared():
    """Recorded on AWS: test_integration_mock_with_request_overrides_in_response_template"""
    template = """
    #set($body = $util.parseJson($context.requestOverride.path.body))
    #set($inputBody = $body.message)
    #if($inputBody == "path1")
    {"response": "path was path one"}
    #elseif($inputBody == "path2")
    {"response": "path was path two"}
    #else
    {"response": "this is the else clause"}
    #end
    """

    def answered(message):
        path = {"body": json.dumps({"message": message})}
        return json.loads(rendered(template, context={"requestOverride": {"path": path}}))

    assert answered("path1") == {"response": "path was path one"}
    assert answered("path2") == {"response": "path was path two"}
    assert answered("whatever") == {"response": "this is the else clause"}


def test_a_map_of_the_context_is_written_as_nothing():
    """Recorded on AWS: localstack/localstack, test_apigateway_sqs.snapshot.json,
    test_sqs_amz_json_protocol"""
    context = {"identity": ContextMap(sourceIp="1.2.3.4", user=None)}
    template = "$context.identity|$context.get('identity')|$context.identity.sourceIp"
    keys = "#foreach($key in $context.identity.keySet())$key=$context.identity.get($key),#end"

    assert rendered(template, context=context) == "||1.2.3.4"
    assert rendered(keys, context=context) == "sourceIp=1.2.3.4,user=,"


def test_all_parameters_are_passed_on():
    """docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference"""
    template = """
    #set($allParams = $input.params())
    {
      "params" : {
        #foreach($type in $allParams.keySet())
        #set($params = $allParams.get($type))
        "$type" : {
          #foreach($paramName in $params.keySet())
          "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
          #if($foreach.hasNext),#end
          #end
        }
        #if($foreach.hasNext),#end
        #end
      }
    }
    """
    sent = {"path": {"id": "1"}, "querystring": {"a": 'x"y', "b": "2"}, "header": {"H-1": "v"}}

    assert json.loads(rendered(template, **sent)) == {"params": sent}


def test_a_list_is_counted_and_gone_through():
    """docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings, the photo album"""
    template = """
    #set($inputRoot = $input.path('$'))
    {"count": "$inputRoot.photos.photo.count()", "photos": [
    #foreach($elem in $inputRoot.photos.photo)
      {"id": "$elem.id", "public": $elem.ispublic, "n": $foreach.index}#if($foreach.hasNext),#end
    #end
    ]}
    """
    photos = [{"id": "1", "ispublic": 1}, {"id": "2", "ispublic": True}]

    answer = json.loads(rendered(template, {"photos": {"photo": photos}}))

    assert answer == {
        **{"count": "2"},
        "photos": [{"id": "1", "public": 1, "n": 0}, {"id": "2", "public": True, "n": 1}],
    }


@pytest.mark.parametrize(
    ("template", "text"),
    [
        # The reference of mapping templates.
        ('$util.escapeJavaScript("it\'s")', r"it\'s"),
        ('$util.escapeJavaScript("it\'s").replaceAll("\\\\\'","\'")', "it's"),
        ("$util.urlDecode('x%3Da+b')", "x=a b"),
        ("$util.base64Encode('é')", "w6k="),
        ("$util.base64Decode('w6k=')", "é"),
        ('$util.parseJson(\'{"key2":{"arr":[1,2,3]}}\').key2.arr[0]', "1"),
        ("${stageVariables.name} $stageVariables['name'] ${stageVariables['name']}", "s s s"),
        # References.
        ("$context.stage/$context.path", "prod/"),
        ("$!{missing}|$missing.any.thing|${context.stage}x", "||prodx"),
        ("costs $5 and $ 6, #1 and # and #fff, a$", "costs $5 and $ 6, #1 and # and #fff, a$"),
        (r"\$context.stage \#if", "$context.stage #if"),
        ("$context.stage.", "prod."),
        ("$context.stage[x", "prod[x"),
        # Comments and text that is not read.
        ("a## $x #end\nb#* #if *#c", "ab" + "c"),
        ("#[[$context.stage #if]]#", "$context.stage #if"),
        # Directives.
        ("#set($a = 1)#set($b = $a + 2)$b", "3"),
        ("#set($a = {'k': [1, 'x']})$a.k[1] $a.get('k').size()", "x 2"),
        ('#set($a = "stage $context.stage")$a', "stage prod"),
        ("#set($a = 'stage $context.stage')$a", "stage $context.stage"),
        ("#if(!$missing && true)yes#{else}no#end", "yes"),
        ("#if($missing || 2 > 10)yes#{else}no#{end}", "no"),
        ("#if('')yes#else no#end", "yes"),
        ("#if(7 / 2 == 3 and 7 % 2 == 1)yes#end", "yes"),
        ("#foreach($i in [1..3])$i#if($foreach.last).#else,#end#end", "1,2,3."),
        ("#foreach($i in [1, 2, 3])#if($i == 2)#break#end$i#end", "1"),
        ("#set($m = {'a': 1})#foreach($e in $m.entrySet())$e.key=$e.getValue()#end", "a=1"),
        ("#define($d)<$context.stage>#end$d$d", "<prod><prod>"),
        ("#macro(twice $x)$x$x#end#twice('a')#twice($context.stage)", "aaprodprod"),
        ("before #stop after", "before "),
        # Methods of Java's classes.
        ("#set($s = ' A,b ')$s.trim().toLowerCase().split(',').get(1)", "b"),
        (
            "#set($s = 'abc')$s.substring(1) $s.substring(0, 1) $s.contains('b') $s.length()",
            "bc a true 3",
        ),
        ("#set($s = 'a1b2')$s.replaceAll('([a-z])([0-9])', '$2$1')", "1a2b"),
        ("#set($l = [])#set($ok = $l.add('x'))$l $l.isEmpty() $l.get(7)", "[x] false "),
        ("#set($n = 10000000.0)$n #set($f = 0.5)$f", "1.0E7 0.5"),
    ],
)
def test_the_language(template, text):
    context = {"stage": "prod", "path": ""}

    assert rendered(template, context=context, stage={"name": "s"}) == text


def test_directives_take_their_line_with_them():
    template = "{\n  #set($a = 1)\n  #if($a == 1)\n  x\n  #end\n}"

    assert rendered(template) == "{\n    x\n}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.a.b", 1),
        ("$['a']['b']", 1),
        ("$.list[0].n", 1),
        ("$.list[-1].n", 2),
        ("$.list[*].n", [1, 2]),
        ("$.list[0:1].n", [1]),
        ("$..n", [1, 2]),
        ("$.list[?(@.n > 1)].n", [2]),
        ("$.list[?(@.t == 'x')].n", [1]),
        ("a.b", 1),
        ("$.nothing", None),
    ],
)
def test_paths_lead_to_values(path, value):
    """https://goessner.net/articles/JsonPath/"""
    document = {"a": {"b": 1}, "list": [{"n": 1, "t": "x"}, {"n": 2}]}

    text = rendered(f'$input.json("{path}")', document)

    assert json.loads(text) == ("" if value is None else value)


def test_a_parameter_is_sought_in_the_path_then_the_query_then_the_headers():
    """docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference"""
    sent = {"path": {"a": "1"}, "querystring": {"a": "2", "b": "3"}, "header": {"b": "4", "C": "5"}}

    text = rendered(
        "$input.params('a')$input.params('b')$input.params('C')|$input.params('d')", **sent
    )

    assert text == "135|"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("#if($a)\nno end", "line 2 of the mapping template: an #end is missing"),
        ("a\n#end", "line 2 of the mapping template: this #end has no #if or #foreach"),
        ("#set(a = 1)", "#set needs a \\$variable"),
        ("#set($a 1)", "#set needs a ="),
        ("#if(== 1)x#end", "a value is missing"),
        ("#if($a x#end", "a \\) is missing"),
        ("#parse('x')", "#parse is not available"),
        ("$util.toJson($x)", "\\$util.toJson is not a function"),
        ("$util.parseJson('{')", "\\$util.parseJson got no JSON"),
        ("$input.json('$.[')", "is not a JSONPath"),
        ("#foreach($i in [1..900])#foreach($j in [1..900])x#end#end", "more than 1000 times"),
        ("#define($d)$d#end$d", "too deep"),
        ("#set($x = " + "(" * 200 + "1" + ")" * 200 + ")", "nested too deeply"),
    ],
)
def test_what_is_no_template_is_said(template, problem):
    with pytest.raises(TemplateFailure, match=problem):
        rendered(template)
