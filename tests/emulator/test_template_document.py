import pytest

from lampwork.errors import TemplateError
from lampwork.template.source.document import read_document
from tests.emulator.stacks import read, read_text

FUNCTION = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.11
"""


LOOP = "Transform: AWS::LanguageExtensions\nResources:\n  Fn::ForEach::A: %s\n"


def test_short_tags_become_the_long_form(tmp_path):
    template = tmp_path / "template.yaml"
    template.write_text("""\
Resources:
  Work:
    Type: Custom::Work
    Properties:
      A: !Ref Other
      B: !GetAtt Other.Outputs.Url
      C: !Sub ["${x}", {x: !Ref Other}]
      D: !If [Cold, !Join ["", [a, !Ref Other]], 2026-01-31]
""")

    assert read_document(template).resources["Work"]["Properties"] == {
        "A": {"Ref": "Other"},
        "B": {"Fn::GetAtt": ["Other", "Outputs.Url"]},
        "C": {"Fn::Sub": ["${x}", {"x": {"Ref": "Other"}}]},
        "D": {"Fn::If": ["Cold", {"Fn::Join": ["", ["a", {"Ref": "Other"}]]}, "2026-01-31"]},
    }


def test_a_name_that_yaml_reads_as_another_type_stays_a_name(tmp_path):
    template = tmp_path / "template.yaml"
    template.write_text("""\
Resources:
  Off:
    Type: Custom::Switch
    Properties: {200: ok, Null: 1}
""")

    assert read_document(template).resources == {
        "Off": {"Type": "Custom::Switch", "Properties": {"200": "ok", "Null": 1}}
    }


def test_a_resource_and_what_sam_makes_of_it_have_the_same_line(tmp_path):
    template = tmp_path / "template.yaml"
    template.write_text(FUNCTION + "  WorkQueue:\n    Type: AWS::SQS::Queue\n")

    document = read_document(template)

    assert [document.line(name) for name in ("Work", "WorkRole", "WorkQueue", "Other")] == [
        *(3, 3, 8, 0)
    ]


def test_of_a_key_that_occurs_twice_the_last_counts_with_a_warning(tmp_path):
    """As in CloudFormation, which takes such templates."""
    stack = read_text(tmp_path, FUNCTION + "      Handler: other.handler\n")

    assert stack.functions["Work"].handler == "other.handler"
    assert stack.warnings == (
        "template.yaml, line 8: line 6 already has the key 'Handler'; this one counts, as for"
        " CloudFormation. Remove one of the two.",
    )


def test_a_template_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "template.yaml").write_bytes(b"\xef\xbb\xbf" + FUNCTION.encode())

    assert "Work" in read(tmp_path / "template.yaml", tmp_path / "cache").functions


def test_a_template_in_utf_16_is_said_to_be_so(tmp_path):
    (tmp_path / "template.yaml").write_text(FUNCTION, encoding="utf-16")

    with pytest.raises(TemplateError, match="in UTF-16, as PowerShell's > writes it"):
        read(tmp_path / "template.yaml", tmp_path / "cache")


def test_json_indented_by_tabs_is_a_template_too(tmp_path):
    template = '{\n\t"Resources": {\n\t\t"Jobs": {"Type": "AWS::SQS::Queue"}\n\t}\n}'

    stack = read_text(tmp_path, template, name="template.json")

    assert [queue.name for queue in stack.queues] == ["local-Jobs"]


def test_a_missing_template_is_reported_with_its_path(tmp_path):
    with pytest.raises(TemplateError, match=r"There is no template .*absent\.yaml"):
        read_document(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("Resources:\n  A: [1,\n  B: 2\n", ":4: this is not valid here"),
        ("Resources:\n\tA: 1\n", ":2: this is not valid here"),
        ("- a\n- b\n", ":1: a template is a mapping with a section `Resources`"),
        ("", ":1: a template is a mapping with a section `Resources`"),
        ("Description: x\n", ":1: the template has no section `Resources`; add one"),
        ("Parameters: [a]\nResources: {}\n", ": the section `Parameters` must be a mapping"),
        ("Resources:\n  A: {Properties: {}}\n", ":2: A needs a `Type`"),
        ("Resources:\n  A: {Type: T, Properties: [1]}\n", ":2: the `Properties` of A must"),
        (
            "Resources:\n  Fn::ForEach::A: [N, [a], {}]\n",
            ":2: Fn::ForEach::A needs the Trans",
        ),
        (LOOP % "N", ":3: Fn::ForEach::A takes a list of an identifier, a collection and a map"),
        (LOOP % "[N, a, {}]", ":3: Fn::ForEach::A goes over a list, not 'a'"),
        (LOOP % "[N, !Ref Nobody, {}]", ":3: Fn::ForEach::A: the template has no parameter and"),
        (LOOP % "[N, [a], {'Q${N}': {}}]", ":3: Qa needs a `Type`"),
        (FUNCTION + "Parameters: 3\n", ": the section `Parameters` must be a mapping"),
        (FUNCTION + "      Timeout: !Foo 3\n", ":8: this is not valid here: unknown tag !Foo"),
        (FUNCTION + "      Timeout: 0\n", ":8: Work.Timeout must be from 1 to 900, not 0"),
        (FUNCTION + "      MemorySize: 64\n", ":8: Work.MemorySize must be from 128 to 10240, not"),
        (FUNCTION.replace("Transform", "Transfrom"), ":1: a template has no section 'Tra"),
        (
            FUNCTION.partition("\n")[2],
            ":2: Work has a type of SAM: the template needs `Transform: A",
        ),
        (
            FUNCTION + "      Events: {Get: {Type: HttpApi, Properties: {Path: x, Method: get}}}\n",
            ":8: in the event Get of Work the path 'x' must begin with /",
        ),
        (
            FUNCTION + "      Events: {Get: {Type: Api, Properties: {Path: /x, Method: fetch}}}\n",
            ":8: in the event Get of Work the method 'fetch' must be one of delete, get, head,",
        ),
        (
            FUNCTION + "      Events: {Get: {Type: Api, Properties: {Path: '/{x', Method: get}}}\n",
            ":8: in the event Get of Work the path '/{x' has a brace too few or too many",
        ),
        (
            FUNCTION
            + "      Events: {Get: {Type: Api, Properties: {Path: '/{x+}/y', Method: get}}}\n",
            ":8: in the event Get of Work the path '/{x+}/y' may have {x+} only at its end",
        ),
        (
            FUNCTION + "      Events: {Go: {Type: ScheduleV2, Properties:"
            " {ScheduleExpression: rate(1 day), ScheduleExpressionTimezone: Mars/One}}}\n",
            "WorkGo: there is no time zone 'Mars/One'",
        ),
        (
            FUNCTION + "      Events: {Go: {Type: Schedule, Properties:"
            " {Schedule: rate(1 day), Input: '{no'}}}\n",
            "the Input of WorkGo must be JSON in a string",
        ),
        (
            FUNCTION + "      Events: {Go: {Type: SQS, Properties:"
            " {Queue: 'arn:aws:sqs:us-east-1:1:q', ScalingConfig: {MaximumConcurrency: 1}}}}\n",
            "WorkGo.ScalingConfig.MaximumConcurrency must be from 2 to 1000, not 1",
        ),
        (
            FUNCTION + "      Events: {Go: {Type: SQS, Properties: {BatchSize: 10001,"
            " Queue: 'arn:aws:sqs:us-east-1:1:q', MaximumBatchingWindowInSeconds: 1}}}\n",
            "WorkGo.BatchSize must be from 1 to 10000, not 10001",
        ),
        (
            FUNCTION + "      Environment: {A: b}\n",
            ":8: the Environment of Work takes only `Variables`",
        ),
        (
            FUNCTION + "      Environment: {Variables: [a]}\n",
            ":8: Work.Environment.Variables must be a mapping, not ['a']",
        ),
        (
            FUNCTION + "  Rule:\n    Type: AWS::Events::Rule\n    Properties:\n"
            "      ScheduleExpression: rate(1 day)\n      Targets: [here]\n",
            ":12: Rule.Targets must be a list of mappings, not 'here'",
        ),
        (
            FUNCTION + "      Tags: {A: !!binary aGk=}\n",
            ":8: this is not valid here: CloudFormation takes no !!binary",
        ),
        (
            FUNCTION + "      Tags: !!set {a}\n",
            ":8: this is not valid here: CloudFormation takes no !!set",
        ),
        (FUNCTION + "      Tags: &a {A: *a}\n", ":8: an alias here leads back to itself"),
        (FUNCTION + "Parameters: {Stage: String}\n", ": `Parameters: Stage` must be a mapping"),
        (FUNCTION + "      Timeout: soon\n", ":8: Work.Timeout must be a whole number, not 'soon'"),
        (FUNCTION + "      CodeUri: absent\n", "absent, which does not exist; correct its CodeUri"),
        (FUNCTION + "      Bogus: 1\n", ":8: Resource with id [Work] is invalid. property Bogus"),
        (FUNCTION + "      Events: hello\n", ":8: Resource with id [Work] is invalid"),
        (FUNCTION + "Globals: {Bogus: {}}\n", ": 'Globals' section is invalid. 'Bogus' is not"),
        (
            FUNCTION + "      FunctionName: !Ref Wrk\n",
            ":8: Work: the template has no parameter and no resource 'Wrk'; Work may be meant",
        ),
        (FUNCTION + "    Condition: Absent\n", ":3: Work: the template has no condition 'Absent'"),
    ],
)
def test_an_error_is_reported_with_file_and_line(tmp_path, template, message):
    with pytest.raises(TemplateError) as caught:
        read_text(tmp_path, template)

    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "template.yaml"))


def test_an_aliased_mapping_is_no_duplicate(tmp_path):
    template = """
        Transform: AWS::Serverless-2016-10-31
        Common: &common {LEVEL: info, PLACE: home}
        Resources:
          Work:
            Type: AWS::Serverless::Function
            Properties:
              Handler: app.handler
              Runtime: python3.11
              Environment: {Variables: {<<: *common, PLACE: away}}
        """

    stack = read_text(tmp_path, template)

    assert stack.functions["Work"].environment == {"LEVEL": "info", "PLACE": "away"}


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ("Tiemout: 3", r"AWS::Lambda::Function has no property Tiemout; Timeout may be meant"),
        ("Timeout: soon", r"Work.Timeout must be a whole number, not 'soon'"),
        ("FunctionName: !Ref Nobody", r"no parameter and no resource 'Nobody'"),
        ('FunctionName: {"Fn::Foo": x}', r"Lampwork does not know Fn::Foo"),
    ],
)
def test_an_error_in_a_property_is_reported_with_its_own_line(tmp_path, properties, problem):
    template = f"""\
Resources:
  Work:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.11
      Code: .
      {properties}
"""

    with pytest.raises(TemplateError, match=rf"template.yaml:8: .*{problem}"):
        read_text(tmp_path, template)


def test_a_property_unlike_any_known_one_is_accepted(tmp_path):
    template = """
        Resources:
          Work:
            Type: AWS::Lambda::Function
            Properties: {Handler: app.handler, Runtime: python3.11, Code: ., Zzz: 1}
        """

    assert read_text(tmp_path, template).functions.keys() == {"Work"}


@pytest.mark.parametrize(
    ("type", "misspelt", "meant"),
    [
        ("AWS::DynamoDB::Table", "TabelName", "TableName"),
        ("AWS::Events::EventBus", "DeadletterConfig", "DeadLetterConfig"),
        ("AWS::S3::Bucket", "BucketNmae", "BucketName"),
        ("AWS::SNS::Topic", "TopicNam", "TopicName"),
        ("AWS::SSM::Parameter", "Valu", "Value"),
        ("AWS::SecretsManager::Secret", "SecretSting", "SecretString"),
        ("AWS::IAM::Role", "AssumeRolePolicyDocumnet", "AssumeRolePolicyDocument"),
    ],
)
def test_a_misspelt_property_is_reported_for_every_type_of_aws(tmp_path, type, misspelt, meant):
    template = f"Resources:\n  Part:\n    Type: {type}\n    Properties:\n      {misspelt}: x\n"

    with pytest.raises(TemplateError, match=rf":5: {type} has no property .*; {meant} may be"):
        read_text(tmp_path, template)


@pytest.mark.parametrize(
    "resource",
    [
        "{Type: AWS::CloudFormation::CustomResource, Properties: {ServiceTokn: x}}",
        "{Type: Custom::Bucket, Properties: {BucketNmae: x}}",
        # Lampwork does not run these: a property or a type that AWS has added must not stop it.
        "{Type: AWS::EC2::VPC, Properties: {CidrBlockPool: x}}",
        "{Type: AWS::Lambda::Functions2, Properties: {}}",
    ],
)
def test_a_name_that_may_be_right_is_accepted(tmp_path, resource):
    assert read_text(tmp_path, f"Resources:\n  Part: {resource}\n").functions == {}


@pytest.mark.parametrize(
    "misspelt", ["AWS::Lambda::Functoin", "AWS::Lambda::Funktion", "AWS::Lambda::Functions"]
)
def test_a_misspelt_type_is_reported(tmp_path, misspelt):
    template = f"Resources:\n  Work: {{Type: {misspelt}}}\n"
    problem = rf":2: CloudFormation has no resource type {misspelt}; AWS::Lambda::Function may be"

    with pytest.raises(TemplateError, match=problem):
        read_text(tmp_path, template)


def test_a_misspelt_type_of_sam_is_reported(tmp_path):
    template = "Resources:\n  Work: {Type: AWS::Serverless::Functon}\n"

    with pytest.raises(TemplateError, match=r"template.yaml:2: SAM has no .*::Function may be"):
        read_text(tmp_path, template)
