"""template.yaml, as CloudFormation gets it: transformed by SAM's own translator, and asserted on where it matters."""

import itertools
import json
from functools import cache

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from newswire.settings import Settings, read_settings
from newswire.storage.feeds.dynamodb import ATTENTION, BEHIND
from tests.conftest import ROOT
from tests.support.aws import TABLE
from tests.support.policies import CONDITIONS, NAMES, grants, grants_of, resolved

CHOICES = {
    "Search": ["domain", "serverless", "existing"],
    "Authorization": ["iam", "key", "private"],
    "ManageApiGatewayLogging": ["true", "false"],
}
COMBINATIONS = [dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())]


@cache
def transformed(combination: tuple[tuple[str, str], ...] = ()) -> dict:
    """Give the template that SAM makes of ours for these parameters, its code standing for what `sam package` puts up."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = {"Bucket": "code", "Key": "code.zip"}
    values = {name: one.get("Default", "") for name, one in template["Parameters"].items()} | dict(combination)
    values |= {"AWS::Region": "eu-central-1", "AWS::Partition": "aws", "AWS::StackName": "newswire"}
    translator = Translator({}, Parser())
    return translator.translate(template, values)


def resources(kind: str) -> dict[str, dict]:
    return {name: one.get("Properties", {}) for name, one in transformed()["Resources"].items() if one["Type"] == kind}


def test_no_route_of_the_api_is_open() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    paths = api["Body"]["paths"]
    assert set(paths) == {"/", "/{proxy+}"}
    for path in paths.values():
        security = path["x-amazon-apigateway-any-method"]["security"]
        assert security["Fn::If"][0] == "UsesKey"
        assert security["Fn::If"][1] == [{"key": []}]
        assert security["Fn::If"][2]["Fn::If"] == ["IsPrivate", {"Ref": "AWS::NoValue"}, [{"iam": []}]]
    policy = api["Body"]["x-amazon-apigateway-policy"]["Fn::If"]
    assert policy[0] == "IsPrivate"
    assert policy[1]["Statement"][0]["Condition"] == {"StringEquals": {"aws:SourceVpce": {"Ref": "VpcEndpointId"}}}


def test_functions_run_the_same_python_on_the_same_architecture() -> None:
    functions = resources("AWS::Lambda::Function")
    assert set(functions) == {"IngestFunction", "SearchFunction"}
    for one in functions.values():
        assert (one["Runtime"], one["Architectures"]) == ("python3.13", [{"Ref": "Architecture"}])
        assert one["TracingConfig"] == {"Mode": "Active"}
    (layer,) = resources("AWS::Lambda::LayerVersion").values()
    assert (layer["CompatibleRuntimes"], layer["CompatibleArchitectures"]) == (
        ["python3.13"],
        [{"Ref": "Architecture"}],
    )


def variables(function: str) -> dict:
    return resources("AWS::Lambda::Function")[function]["Environment"]["Variables"]


def test_each_time_limit_is_within_the_one_around_it() -> None:
    functions = resources("AWS::Lambda::Function")
    integration = resources("AWS::ApiGateway::RestApi")["Api"]["Body"]["paths"]["/"]["x-amazon-apigateway-any-method"]
    gateway_s = integration["x-amazon-apigateway-integration"]["timeoutInMillis"] / 1000
    engine_s = int(variables("SearchFunction")["NEWSWIRE_OPENSEARCH_TIMEOUT_SECONDS"])
    assert engine_s < functions["SearchFunction"]["Timeout"] < gateway_s <= 29
    ingest_s = functions["IngestFunction"]["Timeout"]
    queue = resources("AWS::SQS::Queue")["WorkQueue"]
    assert queue["VisibilityTimeout"] >= 6 * ingest_s
    fetch_s = int(variables("IngestFunction")["NEWSWIRE_FETCH_TIMEOUT_SECONDS"])
    assert 2 * fetch_s < ingest_s
    lease_s = Settings().lease_seconds
    assert ingest_s < lease_s < queue["VisibilityTimeout"], (
        "a lease outlasts its run, and is free when a message returns"
    )


def test_messages_are_kept_and_the_tick_can_always_run() -> None:
    queues = resources("AWS::SQS::Queue")
    assert queues["WorkQueue"]["RedrivePolicy"]["maxReceiveCount"] == 10
    assert queues["WorkQueue"]["MessageRetentionPeriod"] == 4 * 86_400
    assert queues["DeadLetterQueue"]["MessageRetentionPeriod"] == 14 * 86_400
    (source,) = resources("AWS::Lambda::EventSourceMapping").values()
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    ingest = resources("AWS::Lambda::Function")["IngestFunction"]
    assert ingest["ReservedConcurrentExecutions"]["Fn::If"][:2] == ["Reserves", {"Ref": "ReservedConcurrency"}]
    assert source["ScalingConfig"]["MaximumConcurrency"] < transformed()["Parameters"]["ReservedConcurrency"]["Default"]
    (retries,) = resources("AWS::Lambda::EventInvokeConfig").values()
    assert retries["MaximumRetryAttempts"] == 0
    (schedule,) = resources("AWS::Scheduler::Schedule").values()
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert schedule["ScheduleExpression"] == "rate(1 minute)"


def test_what_is_kept_is_encrypted_and_outlives_the_stack() -> None:
    for name in ("FeedTable", "ArchiveBucket"):
        resource = transformed()["Resources"][name]
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate", "a first deployment that fails leaves none behind"
        assert resource["UpdateReplacePolicy"] == "Retain"
    (table,) = resources("AWS::DynamoDB::Table").values()
    assert table["SSESpecification"]["SSEEnabled"]
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    (bucket,) = resources("AWS::S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in rule, "current versions never expire"
    assert rule["Transitions"] == [{"StorageClass": "GLACIER_IR", "TransitionInDays": 90}]
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    for queue in resources("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"]
    (domain,) = resources("AWS::OpenSearchService::Domain").values()
    assert domain["EncryptionAtRestOptions"]["Enabled"]
    assert domain["NodeToNodeEncryptionOptions"]["Enabled"]
    assert domain["DomainEndpointOptions"]["EnforceHTTPS"]
    assert "TLS-1-2" in domain["DomainEndpointOptions"]["TLSSecurityPolicy"]


def test_the_table_is_the_one_that_the_tests_use() -> None:
    (table,) = resources("AWS::DynamoDB::Table").values()
    assert {name: table[name] for name in TABLE} == TABLE
    assert [one["IndexName"] for one in table["GlobalSecondaryIndexes"]] == [ATTENTION, BEHIND]


def test_the_domain_lets_in_exactly_the_two_roles_and_gives_each_no_more_than_its_role() -> None:
    """Within an account AWS adds up what the role and the domain allow."""
    (domain,) = resources("AWS::OpenSearchService::Domain").values()
    allowed: dict[str, set] = {"IngestFunctionRole": set(), "SearchFunctionRole": set()}
    for one in resolved(domain["AccessPolicies"]["Statement"], NAMES, CONDITIONS):
        allowed[one["Principal"]["AWS"]] |= set(grants_of(one))
    for role, of_domain in allowed.items():
        of_role = grants(resources("AWS::IAM::Role")[role], NAMES, CONDITIONS)
        assert of_domain == {one for one in of_role if one.action.startswith("es:")}


def test_a_change_of_who_may_call_reaches_the_stage_and_there_is_no_other_stage() -> None:
    stages = resources("AWS::ApiGateway::Stage")
    assert [one["StageName"] for one in stages.values()] == ["live"]
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    assert "${ApiGatewayAccount}" in api["Description"]["Fn::If"][1]["Fn::Sub"], "it waits for the setting for logs"
    (deployment,) = resources("AWS::ApiGateway::Deployment").values()
    assert "StageName" not in deployment


WITHOUT_RESOURCES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""Actions that know no resources, as the Service Authorization Reference has it."""


def statements(role: str) -> list[dict]:
    found = []
    for policy in resources("AWS::IAM::Role")[role]["Policies"]:
        found += policy["PolicyDocument"]["Statement"]
    return found


@pytest.mark.parametrize("role", ["IngestFunctionRole", "SearchFunctionRole"])
def test_no_role_has_a_right_to_everything(role: str) -> None:
    for one in statements(role):
        is_xray = one.get("Sid") == "Traces" and set(one["Action"]) == WITHOUT_RESOURCES
        assert is_xray or '"Resource": "*"' not in json.dumps(one)
        assert ":*" not in "".join(one.get("Action", [])), one


def test_no_role_has_policies_of_aws_that_name_no_resource() -> None:
    for name in ("IngestFunctionRole", "SearchFunctionRole"):
        assert "ManagedPolicyArns" not in resources("AWS::IAM::Role")[name]


def test_the_search_function_may_read_its_index_and_nothing_else() -> None:
    posts = [one["Fn::If"][1] for one in statements("SearchFunctionRole") if "ESHttpPost" in json.dumps(one)]
    assert [one["Resource"]["Fn::Sub"][0] for one in posts] == ["${Domain}/newswire-*/_msearch"]
    text = json.dumps(statements("SearchFunctionRole"))
    for forbidden in ("dynamodb", "s3:", "sqs:", "ESHttpPut", "ESHttpDelete"):
        assert forbidden not in text


def test_every_alarm_tells_somebody() -> None:
    alarms = resources("AWS::CloudWatch::Alarm")
    assert set(alarms) == {
        "DeadLetterAlarm",
        "IngestErrorsAlarm",
        "SearchFailuresAlarm",
        "SearchSlowAlarm",
        "FeedsStaleAlarm",
        "FeedsBehindAlarm",
    }
    for one in alarms.values():
        assert one["AlarmActions"] == [{"Ref": "Alarms"}]
    (topic,) = resources("AWS::SNS::Topic").values()
    assert "KmsMasterKeyId" not in topic, "CloudWatch may not use the key that AWS keeps for topics"
    own = variables("IngestFunction")["POWERTOOLS_SERVICE_NAME"]
    for name in ("FeedsStaleAlarm", "FeedsBehindAlarm"):
        assert alarms[name]["Dimensions"] == [{"Name": "service", "Value": own}]
    written = (ROOT / "layers" / "newswire" / "handlers" / "ingest.py").read_text()
    for name in ("FeedsStale", "FeedsBehind"):
        assert f'"{name}"' in written


NOT_OURS = {"AWS_ENDPOINT_URL", "PYTHONTZPATH", "POWERTOOLS_SERVICE_NAME"}
"""Variables that botocore, Python and Powertools read."""


def test_every_variable_is_a_setting_and_its_value_one_that_is_taken() -> None:
    for function in ("IngestFunction", "SearchFunction"):
        plain = {name: value for name, value in variables(function).items() if isinstance(value, str)}
        assert all(name.startswith("NEWSWIRE_") for name in variables(function).keys() - NOT_OURS)
        cluster = {
            "NEWSWIRE_OPENSEARCH_URL": "https://x.es.amazonaws.com",
            "NEWSWIRE_OPENSEARCH_SIGNING": "es",
            "AWS_REGION": "eu-central-1",
        }
        names = dict.fromkeys(variables(function).keys() - NOT_OURS, "")
        assert read_settings(plain | cluster).engine == "opensearch"
        assert names.keys() <= {f"NEWSWIRE_{name.upper()}" for name in Settings.__struct_fields__}


def test_what_sam_local_is_told_are_variables_of_the_template() -> None:
    """It passes on no others, and says nothing of it."""
    told = json.loads((ROOT / "local-env.json").read_text())
    assert set(told) == {"IngestFunction", "SearchFunction"}
    for function, own in told.items():
        assert own.keys() <= variables(function).keys()
        plain = {name: value for name, value in variables(function).items() if isinstance(value, str)}
        assert read_settings(plain | own).opensearch_url == own["NEWSWIRE_OPENSEARCH_URL"]


def test_the_gateway_speaks_problem_json() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    for one in api["Body"]["x-amazon-apigateway-gateway-responses"].values():
        assert "application/problem+json" in one["responseParameters"]["gatewayresponse.header.Content-Type"]
        template = one["responseTemplates"]["application/json"].replace("$context.error.messageString", '"x"')
        assert {"type", "title", "detail", "code", "request_id"} == set(json.loads(template)), (
            "the gateway gives the status"
        )


@pytest.mark.parametrize("has_operator", [True, False])
def test_policies_in_text_are_json_and_let_in_whom_they_should(has_operator: bool) -> None:
    for one in resources("AWS::OpenSearchServerless::SecurityPolicy").values():
        json.loads(resolved(one["Policy"], NAMES, {}))
    (access,) = resources("AWS::OpenSearchServerless::AccessPolicy").values()
    rules = json.loads(resolved(access["Policy"], NAMES, {"HasOperator": has_operator}))
    assert [one["Principal"] for one in rules] == [["IngestFunctionRole"], ["SearchFunctionRole"]] + [
        ["operator"]
    ] * has_operator
    search = {right for rule in rules[1]["Rules"] for right in rule["Permission"]}
    assert search == {"aoss:DescribeIndex", "aoss:ReadDocument"}


def test_the_dashboard_is_json() -> None:
    (board,) = resources("AWS::CloudWatch::Dashboard").values()
    assert json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"]
