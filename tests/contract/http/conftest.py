"""Provide the API over a socket and as events of a REST API."""

import pytest

from newswire.app import App
from newswire.model import ItemWrite
from tests.conftest import NOON
from tests.contract.http.library import ITEMS, STATUSES
from tests.support.transports import AsEvents, OverHttp


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    from newswire.settings import Settings

    built = App(Settings(data=str(tmp_path_factory.mktemp("library")), recency_weight=0), clock=lambda: NOON)
    built.engine.index([ItemWrite(item, 1) for item in ITEMS], 1)
    built.engine.publish(STATUSES)
    yield built
    built.close()


@pytest.fixture(scope="module", params=[OverHttp, AsEvents], ids=["uvicorn", "rest-api-event"])
def api(request, library):
    built = request.param(library)
    yield built
    built.close()


@pytest.fixture
def events(app):
    """The API over its own empty index."""
    return AsEvents(app)
