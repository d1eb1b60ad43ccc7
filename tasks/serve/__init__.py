"""The champion at work over HTTP: answers, explanations, corrections, and a page to try it."""
