"""The generation that searches see, also while the engine is away."""

from __future__ import annotations

from msgspec import Struct

from newswire.app import App
from newswire.engines import FIRST_GENERATION
from newswire.errors import EngineError


class ServingGeneration(Struct, frozen=True):
    """The number of the generation that searches see."""

    number: int
    engine_error: EngineError | None = None
    """Why the engine did not answer; the number is then the lowest that the feed store knows."""


def serving_generation(app: App) -> ServingGeneration:
    """Ask the engine for its generation, or take the one that the feed store knows while the engine is unreachable.

    For work that needs no engine, such as polling. Code that writes into the engine asks the engine itself.
    """
    try:
        return ServingGeneration(app.engine.generation())
    except EngineError as error:
        return ServingGeneration(min(app.feeds.generations(), default=FIRST_GENERATION), error)
