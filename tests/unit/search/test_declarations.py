"""A search parameter is one declaration: change it, and the reader, OpenAPI, the help, the form and the table follow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import newswire
from newswire.search.parameters import PARAMETERS

CHANGE = """
import msgspec
from newswire.search import parameters as declared

def change(name, **more):
    global rows
    rows = tuple(msgspec.structs.replace(row, **more) if row.name == name else row for row in rows)

rows = declared.PARAMETERS
change("match", allowed=("all", "any", "most"), default="any", option_labels={"": "Any", "most": "Most of them"})
change("tz", default="Asia/Tokyo")
change("size", least=2, most=7, default="5", label="Rows a page", sentence="The number of rows.")
change("histogram", allowed=("year", "decade"))
change("fields", allowed=("id", "headline"))
change("facets", allowed=("lang",))
declared.PARAMETERS = rows
declared.PARAMETER = {row.name: row for row in rows}

from newswire.search.parameter_reader import BadParametersError
from newswire.search.request import read_search

def problems(**sent):
    try:
        return read_search({name: [value] for name, value in sent.items()}, 0)
    except BadParametersError as error:
        return [problem.allowed for problem in error.problems]
"""
SURFACES = {
    "reader takes a new word": """assert problems(match="most").match == "most" """,
    "reader takes a new unit": """assert problems(histogram="decade").histogram == "decade" """,
    "reader applies a new default": """assert (problems().match, problems().query.size) == ("any", 5)""",
    "reader applies a new time zone": """assert problems().tz.key == "Asia/Tokyo" """,
    "reader refuses outside new bounds": """assert problems(size="8") == ["2 to 7"]""",
    "reader refuses a word that left": """
assert problems(histogram="day") == ["year, decade"]
assert problems(fields="title") == ["id, headline"]
assert problems(facets="feed")[0].startswith("lang, ")
""",
    "OpenAPI": """
import json
from newswire.web.openapi import document
of = {one["name"]: one for one in json.loads(document())["paths"]["/v1/search"]["get"]["parameters"]}
assert of["match"]["schema"]["enum"] == ["all", "any", "most"]
assert of["tz"]["schema"]["default"] == "Asia/Tokyo"
assert of["size"]["schema"] == {"type": "integer", "minimum": 2, "maximum": 7, "default": 5}
assert of["size"]["description"] == "The number of rows."
""",
    "help": """
import contextlib, io
from newswire.cli.main import main
said = io.StringIO()
with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
    main(["search", "--help"])
said = " ".join(said.getvalue().split())
assert "Allowed: all, any, most. Default: any." in said
assert "Default: Asia/Tokyo." in said
assert "The number of rows. Allowed: 2 to 7. Default: 5." in said
""",
    "form": """
from newswire.web.pages.search_form import form_view
form = form_view({"match": "all"}, {}, 0)
assert [(one.value, one.text, one.is_on) for one in form.options["match"]] == [
    ("", "Any", False), ("all", "all", True), ("most", "Most of them", False)
]
assert (form.defaults["tz"], form.defaults["size"], form.labels["size"]) == ("Asia/Tokyo", "5", "Rows a page")
""",
    "table of the documents": """
from tests.support.parameter_table import rows
table = list(rows())
assert any("`most` | `any`" in row for row in table)
assert any("| The number of rows. | 2 to 7 | `5` |" in row for row in table)
""",
}


EACH = """
import json, sys, traceback
wrong = {}
for name, code in json.load(sys.stdin).items():
    try:
        exec(code, globals())
    except BaseException:
        wrong[name] = traceback.format_exc()
print(json.dumps(wrong))
"""


@pytest.fixture(scope="module")
def wrong() -> dict[str, str]:
    """Return what went wrong on each surface, in a process that changed the declarations before their first use."""
    command = [sys.executable, "-c", CHANGE + EACH]
    ran = subprocess.run(command, check=False, input=json.dumps(SURFACES), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    read: dict[str, str] = json.loads(ran.stdout)
    return read


@pytest.mark.parametrize("surface", SURFACES)
def test_changed_declaration_changes(surface: str, wrong: dict[str, str]) -> None:
    assert surface not in wrong, wrong[surface]


def test_search_page_writes_only_what_the_declarations_say() -> None:
    template = (Path(newswire.__file__).parent / "web/pages/templates/search.html").read_text("utf-8")
    texts = {text for parameter in PARAMETERS for text in (parameter.label, *parameter.option_labels.values()) if text}
    assert len(texts) > 15
    assert [text for text in sorted(texts) if f">{text}<" in template or f'"{text}"' in template] == []
