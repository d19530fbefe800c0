"""The handlers of the two Lambda functions."""
