"""Records forgotten everywhere: their rows, their words in pages and logs, the objects that hold them."""
