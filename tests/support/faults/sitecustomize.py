"""Make a stage of newswire fail for the documents that ask for it; Python imports this module at startup.

A text `fault-STAGE-KIND` in what a stage works on makes it raise, hang for 30 s, or take 2 GB. Child processes inherit
the fault with the environment (PYTHONPATH).
"""

import sys
import time
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

STAGES: dict[str, list[tuple[str, ...]]] = {
    "fetch": [("newswire.ingest.fetch", "Fetcher", "fetch")],
    "parse": [("newswire.ingest.reading.record", "parse")],
    "clean": [("newswire.ingest.item", "plain_text")],
    "date": [("newswire.ingest.item", "date_of")],
    "fold": [("newswire.ingest.fold", "identify")],
    "index": [
        ("newswire.engines.tantivy.fields", "index_fields"),
        ("newswire.engines.opensearch.bodies", "index_fields"),
    ],
}
HANG_SECONDS = 30
GREEDY_BYTES = 2 << 30


def _break(stage: str, arguments: str) -> None:
    if f"fault-{stage}-raise" in arguments:
        raise RuntimeError("made to fail")
    if f"fault-{stage}-hang" in arguments:
        time.sleep(HANG_SECONDS)
    if f"fault-{stage}-memory" in arguments:
        assert b"x" * GREEDY_BYTES


def _patch(module: ModuleType, stage: str, *names: str) -> None:
    owner: object = module
    for name in names[:-1]:
        owner = getattr(owner, name)
    real = getattr(owner, names[-1])

    def broken(*arguments: object, **named: object) -> object:
        _break(stage, repr((arguments, named)))
        return real(*arguments, **named)

    setattr(owner, names[-1], broken)


class _Finder(MetaPathFinder):
    """Finds the modules of the stages, and breaks each after it was imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module with stages; `path` and `target` are those of `MetaPathFinder`."""
        patches = [
            (stage, *names) for stage, places in STAGES.items() for module, *names in places if module == fullname
        ]
        spec = PathFinder.find_spec(fullname, path) if patches else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            for patch in patches:
                _patch(module, *patch)

        spec.loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Finder())
