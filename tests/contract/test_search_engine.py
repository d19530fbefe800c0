"""Check that each sentence of the engine docstrings has an id, and that a test in tests/contract/engine covers it."""

from pathlib import Path

from tests.contract.engine.contract import contract
from tests.support.contract_ids import import_tests


def test_each_sentence_of_the_protocol_has_a_test() -> None:
    import_tests(Path(__file__).parent / "engine")
    assert len(contract.promises) > 40
    contract.check()
