"""Raw record shards made clean and comparable: normalised, personal data masked, duplicates dropped."""
