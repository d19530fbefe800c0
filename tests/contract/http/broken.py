"""An engine that fails."""

from newswire.engines import EngineInfo


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
