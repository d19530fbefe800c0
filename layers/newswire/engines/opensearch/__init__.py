"""The search engine on an OpenSearch cluster."""
