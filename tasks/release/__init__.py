"""From evaluated files to a registered version: lineage, verdict, model card, alias."""
