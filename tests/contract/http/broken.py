"""Engines that fail, or hang."""

import threading

from newswire.engines import EngineInfo
from newswire.errors import EngineUnavailableError


class Broken:
    """An engine whose methods raise the given error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str):
        def fail(*_arguments, **_more):
            raise self._error

        return fail

    def info(self) -> EngineInfo:
        return EngineInfo("broken", "", healthy=False)

    def close(self) -> None:
        pass


class Slow(Broken):
    """An engine whose searches hang until `go_on` is set, at most 30 s."""

    def __init__(self) -> None:
        super().__init__(EngineUnavailableError("late"))
        self.go_on = threading.Event()

    def search(self, *_arguments):
        self.go_on.wait(30)
        raise EngineUnavailableError("late")
