"""Ask the API for a search, and take from the answer what a test compares."""

from urllib.parse import urlencode


def target(path: str = "/v1/search", **parameters) -> str:
    sent = {name.rstrip("_"): str(value) for name, value in parameters.items()}
    return f"{path}?{urlencode(sent)}" if sent else path


def found(api, **parameters) -> dict:
    response = api.ask(target(**parameters))
    assert response.status == 200, response.body
    return response.json()


def titles(api, **parameters) -> set[str]:
    return {item["title"].split()[0] for item in found(api, size=200, **parameters)["items"]}


def wrong(api, **parameters) -> list[tuple[str, str]]:
    response = api.ask(target(**parameters))
    assert response.status == 400, response.body
    problem = response.json()
    assert problem["code"] == "invalid_request"
    return [(error["param"], error["code"]) for error in problem["errors"]]
