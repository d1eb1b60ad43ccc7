"""A version made again from the registry alone, and compared with what was recorded of it."""
