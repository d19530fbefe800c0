"""The engine over OpenSearch."""
