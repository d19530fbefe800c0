"""The packages that newswire ships with: `python -m tests.support.supply_chain sbom FILE | audit`.

`sbom` writes a bill of materials (CycloneDX) from the locks. `audit` asks a database for known vulnerabilities: OSV at
`AUDIT_URL` if that is set, else PyPI's. Where no database can be reached, it says so and succeeds.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bundle.build import tool
from tests.conftest import ROOT

LOCKS = (ROOT / "requirements.lock", ROOT / "layers" / "requirements.lock")
"""What an installation and the Lambda layer bring."""
SPEC_VERSION = "1.6"
SKIPPED = "Skipped: no database of vulnerabilities can be reached. Set AUDIT_URL to one of OSV, or go online."


def write_sbom(path: Path) -> int:
    """Write one bill of materials with the packages of both locks; return the number of its components."""
    components: dict[str, dict] = {}
    document: dict = {}
    for lock in LOCKS:
        command = [tool("cyclonedx-py"), "requirements", str(lock), "--output-format", "JSON", "--output-reproducible"]
        command += ["--spec-version", SPEC_VERSION, "--pyproject", str(ROOT / "pyproject.toml")]
        completed = subprocess.run(command, capture_output=True, text=True, check=True)
        document = json.loads(completed.stdout)
        components |= {part["purl"]: part | {"bom-ref": part["purl"]} for part in document["components"]}
    document["components"] = [components[purl] for purl in sorted(components)]
    document["dependencies"] = []  # the locks have no tree
    path.write_text(json.dumps(document, indent=1) + "\n")
    return len(components)


def audit() -> int:
    """Print the known vulnerabilities of both locks; return 1 if there are some, 0 if not or if no database answers."""
    status = 0
    for lock in LOCKS:
        command = [tool("pip-audit"), "--requirement", str(lock), "--disable-pip", "--no-deps", "--format", "json"]
        if url := os.environ.get("AUDIT_URL"):
            command += ["--vulnerability-service", "osv", "--osv-url", url]
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        packages = json.loads(completed.stdout)["dependencies"] if completed.stdout.startswith("{") else []
        audited = [package for package in packages if "vulns" in package]
        if not audited:  # pip-audit would call that "no known vulnerabilities"
            print(SKIPPED)
            return 0
        for package in packages:
            if "vulns" not in package:
                print(f"{package['name']}: not audited ({package.get('skip_reason')})")
            for found in package.get("vulns", ()):
                status = 1
                fixed = ", ".join(found["fix_versions"]) or "none yet"
                print(f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}")
        print(f"{lock.relative_to(ROOT)}: {len(audited)} of {len(packages)} packages audited.")
    return status


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["sbom"] and len(arguments) == 2:
        count = write_sbom(Path(arguments[1]))
        print(f"{arguments[1]} lists {count} packages.")
        return 0
    if arguments == ["audit"]:
        return audit()
    raise SystemExit("usage: python -m tests.support.supply_chain sbom FILE | audit")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
