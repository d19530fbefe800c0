"""The problem of an item that is not in the index: it was withdrawn, or there never was one."""

from __future__ import annotations

from newswire.clock import to_rfc3339
from newswire.engines import SearchEngine
from newswire.search.parameter_reader import shorten
from newswire.web.messages import ProblemOut, problem_of


def absent_item(engine: SearchEngine, item_id: str, advice: str) -> ProblemOut:
    """Return 410 with when and why an item was withdrawn, or 404 with an advice."""
    withdrawal = engine.withdrawal(item_id)
    if withdrawal is None:
        return problem_of(404, "not_found", f"There is no item {shorten(item_id)!r}; {advice}.")
    detail = f"The item {item_id} was withdrawn at {to_rfc3339(withdrawal.at)}: {withdrawal.reason}"
    return problem_of(410, "withdrawn", detail)
