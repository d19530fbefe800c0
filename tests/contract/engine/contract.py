"""The contract of search engines: the sentences of their docstrings, and the tests that cover each id."""

from newswire.engines import Generations, ItemIndex, SearchEngine, StatusBoard
from tests.support.contract_ids import Contract

contract = Contract()
PROTOCOLS = (SearchEngine, ItemIndex, Generations, StatusBoard)
DOCSTRINGS = [method.__doc__ for protocol in PROTOCOLS for method in vars(protocol).values() if callable(method)]
for text in (SearchEngine.__doc__, *DOCSTRINGS):
    contract.read_docstring(text or "")
