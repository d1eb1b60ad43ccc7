"""Prepared records and consensus labels held against the promises in `expectations/`; what breaks one is set aside."""
