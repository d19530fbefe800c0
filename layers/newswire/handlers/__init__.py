"""What the two Lambda functions call."""
