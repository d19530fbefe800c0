"""The contract of the HTTP API: the promises of docs/api.md, and the tests that cover each id."""

from tests.conftest import ROOT
from tests.support.contract_ids import Contract

PAGE = ROOT / "docs" / "api.md"
INFORMATIVE = ("In a minute", "A curl for each feature")
contract = Contract()
contract.read_markdown(PAGE.read_text(), INFORMATIVE)
