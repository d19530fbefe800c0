"""The embedded search engine, built on tantivy."""
