"""Create certificates with the `openssl` command: an authority, and server certificates signed by it."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import absent

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A certificate authority; `file` is its certificate, which clients can trust."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.file = folder / "authority.pem"
        self._key = folder / "authority.key"
        _openssl(
            *("req", "-x509", *EC, "-days", "30", "-subj", "/CN=An authority of the tests"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self._key, "-out", self.file),
        )

    def signs(self, name: str, days: int = 30) -> Path:
        """Return a file with a key and a certificate for `name` (`DNS:…` or `IP:…`), valid for `days`."""
        stem = self._folder / name.replace(":", "-")
        key, request, signed = stem.with_suffix(".key"), stem.with_suffix(".csr"), stem.with_suffix(".crt")
        extensions = stem.with_suffix(".ext")
        extensions.write_text(
            f"subjectAltName={name}\nbasicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        _openssl("req", *EC, "-subj", "/CN=A server", "-keyout", key, "-out", request)
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", str(days), "-extfile", extensions, "-out", signed),
        )
        return _together(signed, key)


def self_signed(folder: Path, name: str) -> Path:
    """Return a file with a key and a self-signed certificate for `name`."""
    key, signed = folder / "alone.key", folder / "alone.crt"
    _openssl(
        *("req", "-x509", *EC, "-days", "30", "-subj", "/CN=A server", "-addext", f"subjectAltName={name}"),
        *("-keyout", key, "-out", signed),
    )
    return _together(signed, key)


def _together(signed: Path, key: Path) -> Path:
    both = signed.with_suffix(".pem")
    both.write_text(signed.read_text() + key.read_text())
    return both


def _openssl(*arguments: str | Path) -> None:
    if shutil.which("openssl") is None:
        absent("the openssl command is not on this machine")
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
