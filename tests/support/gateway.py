"""Serve the API as API Gateway does: behind IAM authorization and a stage."""

import json

import msgspec

from newswire.app import App
from tests.support.loopback import Asked, Loopback, Reply
from tests.support.serverless import SignatureError, check_signature
from tests.support.transports import AsEvents, rest_event


class Gateway:
    """API Gateway with IAM authorization and a stage, in front of the real routes."""

    def __init__(self, app: App) -> None:
        self._server = Loopback(self._answer)
        self.url = f"{self._server.url}/live"
        app.settings = msgspec.structs.replace(app.settings, public_url=self.url)
        self._api = AsEvents(app)
        self.asked: list[Asked] = []

    def _answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        try:
            check_signature(*asked, "execute-api")
        except SignatureError as error:
            return Reply(403, json.dumps({"message": str(error)}).encode())
        event = rest_event(asked.target.removeprefix("/live"), asked.method, asked.headers)
        response = self._api.event(event)
        return Reply(response.status, response.body, headers=response.headers)

    def close(self) -> None:
        self._server.close()
