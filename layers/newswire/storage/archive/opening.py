"""Choose the archive that the settings name."""

from __future__ import annotations

from newswire.extras import needs_extra
from newswire.settings import Settings
from newswire.storage.archive import Archive


def open_archive(settings: Settings) -> Archive:
    """Return the archive that the settings name. Opens nothing yet."""
    if settings.bucket:
        with needs_extra("aws", "NEWSWIRE_BUCKET"):
            from newswire.storage.archive.s3 import S3Archive  # noqa: PLC0415 - only the chosen one is loaded

        return S3Archive(settings.bucket)
    from newswire.storage.archive.folder import FolderArchive  # noqa: PLC0415 - only the chosen one is loaded

    return FolderArchive(settings.data_folder / "archive")
