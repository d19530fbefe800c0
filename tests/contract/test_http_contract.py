"""Check that each promise of docs/api.md has an id, and that a test in tests/contract/http covers it."""

from pathlib import Path

from tests.contract.http.contract import contract
from tests.support.contract_ids import import_tests


def test_each_promise_has_one_id_and_each_id_a_test() -> None:
    import_tests(Path(__file__).parent / "http")
    assert len(contract.promises) > 190
    contract.check()
