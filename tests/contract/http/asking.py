"""Ask the API for a search, and take from the answer what a test compares."""

from urllib.parse import urlencode


def target(path: str = "/v1/search", **parameters) -> str:
    sent = {name.rstrip("_"): str(value) for name, value in parameters.items()}
    return f"{path}?{urlencode(sent)}" if sent else path


def found(api, **parameters) -> dict:
    came = api.ask(target(**parameters))
    assert came.status == 200, came.body
    return came.json()


def titles(api, **parameters) -> set[str]:
    return {one["title"].split()[0] for one in found(api, size=200, **parameters)["items"]}


def wrong(api, **parameters) -> list[tuple[str, str]]:
    came = api.ask(target(**parameters))
    assert came.status == 400, came.body
    problem = came.json()
    assert problem["code"] == "invalid_request"
    return [(one["param"], one["code"]) for one in problem["errors"]]
