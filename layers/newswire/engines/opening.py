"""Choose the search engine that the settings name."""

from __future__ import annotations

from newswire.engines import SearchEngine
from newswire.extras import check_package, needs_extra
from newswire.settings import Settings


def open_engine(settings: Settings) -> SearchEngine:
    """Return the engine that the settings name. Opens nothing yet, and imports no other engine."""
    if settings.engine == "opensearch":
        with needs_extra("opensearch", "NEWSWIRE_ENGINE=opensearch"):
            from newswire.engines.opensearch.engine import OpenSearchEngine  # noqa: PLC0415 - only the chosen one

        if settings.opensearch_signing:
            with needs_extra("aws", "NEWSWIRE_OPENSEARCH_SIGNING"):
                check_package("botocore")
        return OpenSearchEngine(
            settings.opensearch_url,
            prefix=settings.opensearch_prefix,
            user=settings.opensearch_user,
            password=settings.opensearch_password,
            signing=settings.opensearch_signing,
            region=settings.opensearch_region,
            timeout_s=settings.opensearch_timeout_seconds,
            shards=settings.opensearch_shards,
            replicas=settings.opensearch_replicas,
        )
    from newswire.engines.tantivy.engine import TantivyEngine  # noqa: PLC0415 - only the chosen one is loaded

    return TantivyEngine(
        settings.data_folder / "index",
        threads=settings.index_threads,
        heap_mb=settings.index_heap_mb,
        wait_s=settings.lock_wait_seconds,
    )
