"""What newswire keeps: the archive, the feeds and their states, and the work queue."""
