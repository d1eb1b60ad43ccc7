"""Many people's labels to one consensus a record, with how far they agree and how reliable each annotator is."""
