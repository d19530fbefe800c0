"""The read side: read search requests, and answer them from the engine."""
