"""From the world to append-only shards: records, label rows and the base model, each with where it came from."""
