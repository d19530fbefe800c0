"""Record every botocore call of a built function; Python imports this module at startup."""

import json
import os

import botocore.session

_plain = botocore.session.Session.__init__


def _recorded(self, *arguments, **named) -> None:
    _plain(self, *arguments, **named)
    self.register("before-parameter-build", _write_down)


def _write_down(params, model, **_more) -> None:
    line = {"service": model.service_model.service_name, "operation": model.name, "params": params}
    with open(os.environ["RECORDED_CALLS"], "a") as file:
        file.write(json.dumps(line, default=repr) + "\n")


botocore.session.Session.__init__ = _recorded
