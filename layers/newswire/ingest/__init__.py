"""The write side: feeds are polled, archived, parsed, folded and indexed."""
