"""Call the API in this process as API Gateway does, for measurements without the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from newswire.app import App
from newswire.web.events import build_api, handle_event

Asked = Callable[[str, Mapping[str, str]], dict[str, Any]]


def make_in_process_client(app: App) -> Asked:
    """Return a function that calls the API; it raises `RuntimeError` unless the status is 200."""
    resolver = APIGatewayRestResolver()
    api = build_api(resolver, app.engine, app.settings, app.clock)

    def ask(path: str, sent: Mapping[str, str]) -> dict[str, Any]:
        event = {
            "httpMethod": "GET",
            "path": path,
            "headers": {},
            "multiValueHeaders": {},
            "queryStringParameters": dict(sent),
            "multiValueQueryStringParameters": {name: [value] for name, value in sent.items()},
            "requestContext": {},
            "body": None,
            "isBase64Encoded": False,
        }
        answered = handle_event(resolver, api, event, LambdaContext())
        if answered["statusCode"] != 200:
            raise RuntimeError(answered["body"])
        results: dict[str, Any] = json.loads(answered["body"])
        return results

    return ask
