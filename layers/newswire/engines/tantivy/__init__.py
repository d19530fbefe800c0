"""The embedded engine, over tantivy."""
