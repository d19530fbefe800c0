"""Fixtures for the built application: one build, and one stack per test."""

import pytest

from tests.bundle.build import CannotBuildError, build
from tests.bundle.stack import Stack
from tests.conftest import absent


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    try:
        return build(tmp_path_factory.mktemp("sam") / "build")
    except CannotBuildError as error:
        absent(str(error))


@pytest.fixture
def stack(built, aws, opensearch_nodes):
    created = Stack(built, aws, opensearch_nodes.url("3.8"))
    yield created
    created.close()
