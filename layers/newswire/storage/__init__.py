"""Storage: the archive, the feed store and the work queue, each on one machine and on AWS."""
