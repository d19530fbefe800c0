"""The bill of materials and the audit of the locked packages, with the real tools."""

import json
import re
from contextlib import closing

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.loopback import Asked, Loopback, Reply
from tests.support.supply_chain import LOCKS, SKIPPED, audit, main, write_sbom

pytestmark = pytest.mark.bundle


def locked_names() -> set[str]:
    text = "".join(lock.read_text() for lock in LOCKS)
    return {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def test_bill_of_materials_lists_every_locked_package(tmp_path) -> None:
    assert main(["sbom", str(tmp_path / "sbom.json")]) == 0
    document = json.loads((tmp_path / "sbom.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert {component["name"].lower() for component in document["components"]} == locked_names()
    assert all(component["purl"].startswith("pkg:pypi/") for component in document["components"])
    assert document["metadata"]["component"]["name"] == "newswire"
    first = (tmp_path / "sbom.json").read_bytes()
    write_sbom(tmp_path / "sbom.json")
    assert (tmp_path / "sbom.json").read_bytes() == first


def test_audit_reports_a_known_vulnerability(monkeypatch, capsys) -> None:
    def answer(asked: Asked) -> Reply:
        package = json.loads(asked.body)["package"]["name"]
        if package != "jinja2":
            return Reply(200, b"{}")
        affected = [
            {
                "package": {"name": "jinja2", "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "99.0"}]}],
            }
        ]
        found = {
            "id": "PYSEC-1",
            "summary": "s",
            "details": "d",
            "affected": affected,
            "published": "2026-01-01T00:00:00Z",
        }
        return Reply(200, json.dumps({"vulns": [found]}).encode())

    with closing(Loopback(answer)) as database:
        monkeypatch.setenv("AUDIT_URL", database.url)
        assert audit() == 1
    output = capsys.readouterr().out
    assert re.search(r"jinja2 [\d.]+: PYSEC-1, fixed in 99.0", output, re.IGNORECASE)
    assert re.search(r"^requirements\.lock: (\d+) of \1 packages audited", output, re.MULTILINE)


def test_audit_without_a_database_says_so(monkeypatch, capsys) -> None:
    monkeypatch.setenv("AUDIT_URL", "http://127.0.0.1:9/")
    assert (audit(), capsys.readouterr().out.strip()) == (0, SKIPPED)


def test_images_and_actions_are_pinned_by_digest() -> None:
    images = [service["image"] for service in yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()]
    images += re.findall(r"^FROM (\S+)", (ROOT / ".devcontainer" / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 3
    unpinned = [image for image in images if not re.search(r"@sha256:[0-9a-f]{64}$", image)]
    assert [image.partition(":")[0] for image in unpinned] == ["motoserver/moto"], "its digest is in no public text"
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        actions = re.findall(r"uses: (\S+)", workflow.read_text())
        assert actions
        assert all(re.search(r"@[0-9a-f]{40}$", action) for action in actions)
