"""Pictures on their way into training: folders, caches, streams of shards, batches."""
