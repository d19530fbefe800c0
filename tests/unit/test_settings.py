"""Settings: values from the environment and the errors for invalid ones."""

import pytest

from newswire.errors import SettingsError
from newswire.settings import Settings, read_settings

CLUSTER = {"NEWSWIRE_ENGINE": "opensearch", "NEWSWIRE_OPENSEARCH_URL": "https://search.example:9200"}
SERVERLESS = CLUSTER | {"NEWSWIRE_OPENSEARCH_URL": "https://x.eu-central-1.aoss.amazonaws.com"}


def test_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()


def test_values_are_converted_to_their_types() -> None:
    results = read_settings({"NEWSWIRE_FETCH_ALLOW_PRIVATE": "true", "NEWSWIRE_LEASE_SECONDS": "400", "OTHER": "x"})
    assert (results.fetch_allow_private, results.lease_seconds) == (True, 400)


def test_signing_region_defaults_to_aws_region() -> None:
    signing = {"NEWSWIRE_OPENSEARCH_SIGNING": "aoss"}
    assert read_settings(SERVERLESS | signing | {"AWS_REGION": "eu-central-1"}).opensearch_region == "eu-central-1"
    own = {"NEWSWIRE_OPENSEARCH_REGION": "eu-west-1"}
    assert read_settings(SERVERLESS | signing | own | {"AWS_REGION": "x"}).opensearch_region == "eu-west-1"


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"NEWSWIRE_ENGIN": "tantivy"}, "NEWSWIRE_ENGIN is not a setting"),
        ({"NEWSWIRE_ENGINE": "lucene"}, "NEWSWIRE_ENGINE"),
        ({"NEWSWIRE_LEASE_SECONDS": "soon"}, "NEWSWIRE_LEASE_SECONDS"),
        ({"NEWSWIRE_LEASE_SECONDS": "7"}, "from 30 to"),
        ({"NEWSWIRE_LEASE_SECONDS": "60"}, "NEWSWIRE_FETCH_TIMEOUT_SECONDS"),
        ({"NEWSWIRE_POLL_MINIMUM_SECONDS": "3600", "NEWSWIRE_POLL_MAXIMUM_SECONDS": "600"}, "MAXIMUM"),
        ({"NEWSWIRE_FETCH_PORTS": "80,http"}, "NEWSWIRE_FETCH_PORTS"),
        ({"NEWSWIRE_FETCH_PORTS": "0"}, "NEWSWIRE_FETCH_PORTS"),
        ({"NEWSWIRE_ENGINE": "opensearch"}, "NEWSWIRE_OPENSEARCH_URL must be .* got no value"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_URL": "https://user:hunter2@search.example"}, "got an invalid URL"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_PREFIX": "News"}, "NEWSWIRE_OPENSEARCH_PREFIX"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_PREFIX": "q-items-gazette"}, "NEWSWIRE_OPENSEARCH_PREFIX"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_URL": "http://127.0.0.1:abc"}, "NEWSWIRE_OPENSEARCH_URL"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_URL": "http://127.0.0.1:99999"}, "NEWSWIRE_OPENSEARCH_URL"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_URL": "http://[::1"}, "NEWSWIRE_OPENSEARCH_URL"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_URL": "http://:"}, "NEWSWIRE_OPENSEARCH_URL"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_SIGNING": "s3"}, "NEWSWIRE_OPENSEARCH_SIGNING"),
        (CLUSTER | {"NEWSWIRE_OPENSEARCH_SIGNING": "es"}, "NEWSWIRE_OPENSEARCH_REGION"),
        (
            CLUSTER | {"NEWSWIRE_OPENSEARCH_SIGNING": "es", "AWS_REGION": "x", "NEWSWIRE_OPENSEARCH_USER": "me"},
            "NEWSWIRE_OPENSEARCH_USER",
        ),
        (SERVERLESS, "NEWSWIRE_OPENSEARCH_SIGNING=aoss"),
    ],
)
def test_invalid_setting_is_rejected_by_name(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=name) as raised:
        read_settings(environment)
    assert "hunter2" not in str(raised.value)
