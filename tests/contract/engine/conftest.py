"""Provide every engine, each with an index of its own."""

import pytest

from tests.contract.engine.writing import put
from tests.factories import item
from tests.support.engines import ENGINES, place_of


@pytest.fixture(params=ENGINES)
def place(request, tmp_path, opensearch_nodes):
    """Yield a place that opens engines on one index, and can damage this index."""
    built = place_of(request.param, tmp_path, opensearch_nodes)
    yield built
    built.close()


@pytest.fixture
def make(place):
    return place.open


@pytest.fixture
def engine(make):
    return make()


@pytest.fixture
def library(engine):
    put(
        engine,
        item(1, "Baltic exercise begins", summary="Ships train for a week."),
        item(2, "Summit in Vilnius", summary="An air policing mission was agreed", content="Deep inside: exercises"),
        item(3, "Ćwiczenie na Bałtyku", lang="pl", summary="exercising is not stemmed here"),
        item(4, "F-16 arrives", categories=("Air Force", "News"), authors=("Zoë Müller",), lang="en-us"),
        item(5, "Air", summary="Policing the sky", feed="other", lang="en"),
        item(6, "北京大学", lang="zh"),
    )
    return engine
