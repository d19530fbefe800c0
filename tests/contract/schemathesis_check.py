"""Check each answer of schemathesis: a valid request is refused only for a rule that no schema expresses."""

import schemathesis

UNSAID = {"from", "to", "tz", "cursor", "feed", "category", "author", "lang", "fields", "highlight", "facets", "ids"}
"""Parameters whose values a schema cannot fully describe: dates, time zones, cursors, quoted lists."""


@schemathesis.check
def only_refused_for_what_no_schema_can_say(ctx, response, case) -> None:
    if case.method != "GET" or response.status_code != 400:
        return
    if response.headers["content-type"][0].startswith("text/html"):
        return
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    for error in response.json()["errors"]:
        hidden = error["param"] in UNSAID and error["code"] in {"invalid_value", "out_of_range", "cursor_invalid"}
        together = error["code"] in {"conflict", "cursor_mismatch", "query_too_complex"}
        too_fine = error["param"] == "histogram" and error["code"] == "out_of_range"
        assert hidden or together or too_fine, error
