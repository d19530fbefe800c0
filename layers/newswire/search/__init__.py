"""The read side: a search request becomes a result."""
