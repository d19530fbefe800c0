"""template.yaml after the transformation by SAM's own translator."""

import json
import re
import tomllib

import pytest

from newswire.settings import Settings, read_settings
from newswire.storage.feeds.dynamodb import ATTENTION, BEHIND
from tests.conftest import ROOT
from tests.support.aws import TABLE
from tests.support.local_aws import REGION as LOCAL_REGION
from tests.support.policies import CONDITIONS, DOMAIN, NAMES, grants, grants_of, resolved
from tests.support.template import resources, transformed


def test_every_api_route_requires_authorization() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    paths = api["Body"]["paths"]
    assert set(paths) == {"/", "/{proxy+}"}
    for path in paths.values():
        security = path["x-amazon-apigateway-any-method"]["security"]
        assert security["Fn::If"][0] == "UsesKey"
        assert security["Fn::If"][1] == [{"key": []}]
        assert security["Fn::If"][2]["Fn::If"] == ["IsPrivate", [], [{"iam": []}]]
    policy = api["Body"]["x-amazon-apigateway-policy"]["Fn::If"]
    assert policy[0] == "IsPrivate"
    assert policy[1]["Statement"][0]["Condition"] == {"StringEquals": {"aws:SourceVpce": {"Ref": "VpcEndpointId"}}}


def test_functions_and_layer_share_python_and_architecture() -> None:
    functions = resources("AWS::Lambda::Function")
    assert set(functions) == {"IngestFunction", "SearchFunction"}
    for function in functions.values():
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", [{"Ref": "Architecture"}])
        assert function["TracingConfig"] == {"Mode": "Active"}
    every = transformed()["Resources"]
    layers = {name: layer for name, layer in every.items() if layer["Type"] == "AWS::Lambda::LayerVersion"}
    of_architecture = {layer["Condition"]: layer["Properties"]["CompatibleArchitectures"] for layer in layers.values()}
    assert of_architecture == {"UsesArm64": ["arm64"], "UsesX86": ["x86_64"]}
    for function in functions.values():
        name, x86, arm = function["Layers"][0]["Fn::If"]
        assert (name, every[x86["Ref"]]["Condition"], every[arm["Ref"]]["Condition"]) == (
            "UsesX86",
            "UsesX86",
            "UsesArm64",
        )


def test_first_deployment_fits_a_new_account() -> None:
    parameters = transformed()["Parameters"]
    assert parameters["ReservedConcurrency"]["Default"] == 0, "a new account has ten executions, and may reserve none"
    assert parameters["ManageApiGatewayLogging"]["Default"] == "false", "the setting belongs to the whole account"


def test_another_engine_version_upgrades_the_domain() -> None:
    domain = resources("AWS::OpenSearchService::Domain")["SearchDomain"]
    assert domain["EngineVersion"] == {"Ref": "EngineVersion"}
    assert transformed()["Resources"]["SearchDomain"]["UpdatePolicy"] == {"EnableVersionUpgrade": True}


def test_stacks_that_share_a_domain_have_indexes_apart() -> None:
    prefix = {"Fn::If": ["HasPrefix", {"Ref": "IndexPrefix"}, {"Ref": "AWS::StackName"}]}
    for function in ("IngestFunction", "SearchFunction"):
        assert variables(function)["NEWSWIRE_OPENSEARCH_PREFIX"] == prefix
    for role in ("IngestFunctionRole", "SearchFunctionRole"):
        for grant in grants(resources("AWS::IAM::Role")[role], NAMES | {"AWS::StackName": "other"}, CONDITIONS):
            assert "newswire-" not in grant.resource.removeprefix(DOMAIN)


def test_local_invocations_are_in_the_region_of_the_local_table() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    for command in ("local_invoke", "local_start_api"):
        assert config[command]["parameters"]["region"] == LOCAL_REGION


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("SearchEndpoint", ["", "https://s.example"], ["s.example", "http://s.example", "https://s.example/"]),
        ("VpcEndpointId", ["", "vpce-0a1b2c3d"], ["vpc-1", "x"]),
        ("IndexPrefix", ["", "newswire", "prod-2"], ["Prod", "-x", "2x"]),
        ("EngineVersion", ["OpenSearch_2.19", "OpenSearch_3.1"], ["2.19", "Elasticsearch_7.10"]),
    ],
)
def test_values_that_cannot_work_are_refused_at_once(parameter: str, good: list[str], bad: list[str]) -> None:
    pattern = re.compile(transformed()["Parameters"][parameter]["AllowedPattern"])
    assert [bool(pattern.fullmatch(value)) for value in good] == [True] * len(good)
    assert [bool(pattern.fullmatch(value)) for value in bad] == [False] * len(bad)


def test_parameters_that_contradict_each_other_are_refused_at_once() -> None:
    rules = transformed()["Rules"]
    assert len(rules["ExistingHasAnAddress"]["Assertions"]) == 2
    assert "ZonesHaveCopies" in rules


def variables(function: str) -> dict:
    return resources("AWS::Lambda::Function")[function]["Environment"]["Variables"]


def test_timeouts_are_nested() -> None:
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


def test_messages_are_retained_and_the_tick_has_concurrency() -> None:
    queues = resources("AWS::SQS::Queue")
    assert queues["WorkQueue"]["RedrivePolicy"]["maxReceiveCount"] == 10
    assert queues["WorkQueue"]["MessageRetentionPeriod"] == 4 * 86_400
    assert queues["DeadLetterQueue"]["MessageRetentionPeriod"] == 14 * 86_400
    (source,) = resources("AWS::Lambda::EventSourceMapping").values()
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    ingest = resources("AWS::Lambda::Function")["IngestFunction"]
    assert ingest["ReservedConcurrentExecutions"]["Fn::If"][:2] == ["Reserves", {"Ref": "ReservedConcurrency"}]
    assert source["ScalingConfig"]["MaximumConcurrency"] == 4, "of ten in a new account, the tick and searches have six"
    (retries,) = resources("AWS::Lambda::EventInvokeConfig").values()
    assert retries["MaximumRetryAttempts"] == 0
    (schedule,) = resources("AWS::Scheduler::Schedule").values()
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert schedule["ScheduleExpression"] == "rate(1 minute)"


def test_stored_data_is_encrypted_and_outlives_the_stack() -> None:
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
    assert "Transitions" not in rule, "S3 moves no object below 128 KB, and hardly a record is larger"
    assert rule["ExpiredObjectDeleteMarker"] is True
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    for queue in resources("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"]
    (domain,) = resources("AWS::OpenSearchService::Domain").values()
    assert domain["EncryptionAtRestOptions"]["Enabled"]
    assert domain["NodeToNodeEncryptionOptions"]["Enabled"]
    assert domain["DomainEndpointOptions"]["EnforceHTTPS"]
    assert "TLS-1-2" in domain["DomainEndpointOptions"]["TLSSecurityPolicy"]


def test_table_matches_the_test_table() -> None:
    (table,) = resources("AWS::DynamoDB::Table").values()
    assert {name: table[name] for name in TABLE} == TABLE
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == [ATTENTION, BEHIND]


def test_domain_policy_grants_match_the_role_grants() -> None:
    """Check both policies because AWS grants their union within an account."""
    (domain,) = resources("AWS::OpenSearchService::Domain").values()
    allowed: dict[str, set] = {"IngestFunctionRole": set(), "SearchFunctionRole": set()}
    for statement in resolved(domain["AccessPolicies"]["Statement"], NAMES, CONDITIONS):
        allowed[statement["Principal"]["AWS"]] |= set(grants_of(statement))
    for role, of_domain in allowed.items():
        of_role = grants(resources("AWS::IAM::Role")[role], NAMES, CONDITIONS)
        assert of_domain == {grant for grant in of_role if grant.action.startswith("es:")}


def test_live_is_the_only_stage_and_waits_for_log_settings() -> None:
    stages = resources("AWS::ApiGateway::Stage")
    assert [stage["StageName"] for stage in stages.values()] == ["live"]
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    assert "${ApiGatewayAccount}" in api["Description"]["Fn::If"][1]["Fn::Sub"], "it waits for the setting for logs"
    (deployment,) = resources("AWS::ApiGateway::Deployment").values()
    assert "StageName" not in deployment


WITHOUT_RESOURCES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""Actions without resource types in the Service Authorization Reference."""


def statements(role: str) -> list[dict]:
    collected = []
    for policy in resources("AWS::IAM::Role")[role]["Policies"]:
        collected += policy["PolicyDocument"]["Statement"]
    return collected


@pytest.mark.parametrize("role", ["IngestFunctionRole", "SearchFunctionRole"])
def test_no_role_has_wildcard_permissions(role: str) -> None:
    for statement in statements(role):
        is_xray = statement.get("Sid") == "Traces" and set(statement["Action"]) == WITHOUT_RESOURCES
        assert is_xray or '"Resource": "*"' not in json.dumps(statement)
        assert ":*" not in "".join(statement.get("Action", [])), statement


def test_no_role_has_aws_managed_policies() -> None:
    for name in ("IngestFunctionRole", "SearchFunctionRole"):
        assert "ManagedPolicyArns" not in resources("AWS::IAM::Role")[name]


def test_search_role_only_reads_its_index() -> None:
    posts = [rule["Fn::If"][1] for rule in statements("SearchFunctionRole") if "ESHttpPost" in json.dumps(rule)]
    assert [post["Resource"]["Fn::Sub"][0] for post in posts] == ["${Domain}/${Prefix}-*/_msearch"]
    text = json.dumps(statements("SearchFunctionRole"))
    for forbidden in ("dynamodb", "s3:", "sqs:", "ESHttpPut", "ESHttpDelete"):
        assert forbidden not in text


def test_every_alarm_notifies_the_topic() -> None:
    alarms = resources("AWS::CloudWatch::Alarm")
    assert set(alarms) == {
        "DeadLetterAlarm",
        "IngestErrorsAlarm",
        "SearchFailuresAlarm",
        "SearchSlowAlarm",
        "QueueAgeAlarm",
        "IngestThrottledAlarm",
        "SearchThrottledAlarm",
        "NoItemsAlarm",
        "DomainRedAlarm",
        "DomainBlockedAlarm",
        "DomainSpaceAlarm",
        "DomainMemoryAlarm",
        "DomainSnapshotAlarm",
        "FeedsStaleAlarm",
        "FeedsBehindAlarm",
        "ItemsMissingAlarm",
    }
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Alarms"}]
    (topic,) = resources("AWS::SNS::Topic").values()
    assert "KmsMasterKeyId" not in topic, "CloudWatch may not use the key that AWS keeps for topics"
    own = variables("IngestFunction")["POWERTOOLS_SERVICE_NAME"]
    for name in ("FeedsBehindAlarm", "ItemsMissingAlarm", "NoItemsAlarm"):
        assert alarms[name]["Dimensions"] == [{"Name": "service", "Value": own}]
    for metric in alarms["FeedsStaleAlarm"]["Metrics"][1:]:
        assert metric["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "service", "Value": own}]
    every = transformed()["Resources"]
    assert all(every[name]["Condition"] == "MakesDomain" for name in alarms if name.startswith("Domain"))
    written = (ROOT / "layers" / "newswire" / "handlers" / "ingest.py").read_text()
    for name in ("FeedsStale", "FeedsPolled", "FeedsBehind", "ItemsMissing", "ItemsNew"):
        assert f'"{name}"' in written


NOT_OURS = {"AWS_ENDPOINT_URL", "PYTHONTZPATH", "POWERTOOLS_SERVICE_NAME"}
"""Variables that botocore, Python and Powertools read."""


def test_every_environment_variable_is_a_valid_setting() -> None:
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


def test_sam_local_variables_exist_in_the_template() -> None:
    """Check the names because `sam local` silently drops other variables."""
    output = json.loads((ROOT / "local-env.json").read_text())
    assert set(output) == {"IngestFunction", "SearchFunction"}
    for function, own in output.items():
        assert own.keys() <= variables(function).keys()
        plain = {name: value for name, value in variables(function).items() if isinstance(value, str)}
        assert read_settings(plain | own).opensearch_url == own["NEWSWIRE_OPENSEARCH_URL"]


def test_access_log_is_json_where_a_variable_has_no_value() -> None:
    """The gateway writes a bare hyphen for a variable without a value, and a quoted one for messageString."""
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    written = re.sub(r"\$context\.[\w.]+", "-", stage["AccessLogSetting"]["Format"])
    assert set(json.loads(written).values()) == {"-"}


def test_gateway_errors_are_problem_json() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    for response in api["Body"]["x-amazon-apigateway-gateway-responses"].values():
        assert "application/problem+json" in response["responseParameters"]["gatewayresponse.header.Content-Type"]
        template = response["responseTemplates"]["application/json"].replace("$context.error.messageString", '"x"')
        assert {"type", "title", "detail", "code", "request_id"} == set(json.loads(template)), (
            "the gateway gives the status"
        )


def test_too_many_requests_say_when_to_come_again() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    responses = api["Body"]["x-amazon-apigateway-gateway-responses"]
    for name in ("THROTTLED", "QUOTA_EXCEEDED", "DEFAULT_5XX"):
        assert "gatewayresponse.header.Retry-After" in responses[name]["responseParameters"]


@pytest.mark.parametrize("has_operator", [True, False])
def test_serverless_policies_admit_only_named_principals(has_operator: bool) -> None:
    for policy in resources("AWS::OpenSearchServerless::SecurityPolicy").values():
        json.loads(resolved(policy["Policy"], NAMES, {}))
    (access,) = resources("AWS::OpenSearchServerless::AccessPolicy").values()
    rules = json.loads(resolved(access["Policy"], NAMES, {"HasOperator": has_operator, "HasPrefix": False}))
    assert [rule["Principal"] for rule in rules] == [["IngestFunctionRole"], ["SearchFunctionRole"]] + [
        ["operator"]
    ] * has_operator
    search = {right for rule in rules[1]["Rules"] for right in rule["Permission"]}
    assert search == {"aoss:DescribeIndex", "aoss:ReadDocument"}


def test_the_dashboard_is_json() -> None:
    (board,) = resources("AWS::CloudWatch::Dashboard").values()
    assert json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"]


def test_new_version_takes_over_by_an_alias_and_is_rolled_back() -> None:
    every = transformed()["Resources"]
    alias = every["SearchFunctionAliaslive"]
    assert alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["ApplicationName"]
    (group,) = [resource["Properties"] for resource in every.values() if resource["Type"].endswith("DeploymentGroup")]
    assert [alarm["Name"] for alarm in group["AlarmConfiguration"]["Alarms"]] == [
        {"Ref": "SearchFailuresAlarm"},
        {"Ref": "SearchSlowAlarm"},
    ]
    assert group["ServiceRoleArn"] == {"Fn::GetAtt": ["RolloutRole", "Arn"]}
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    uri = api["Body"]["paths"]["/"]["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]["uri"]
    assert ":live/invocations" in uri["Fn::Sub"]
    assert every["ApiMayCallSearch"]["Properties"]["FunctionName"] == {"Ref": "SearchFunctionAliaslive"}
