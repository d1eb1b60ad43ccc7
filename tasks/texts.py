"""What is counted of a text, in the reference window and in later traffic alike."""


def counts(text: str) -> dict[str, float]:
    """Its `characters`, `words`, and `non_letter_share` (of the characters that are no blanks; 0 for an empty text)."""
    words = text.split()
    visible = sum(map(len, words))
    letters = sum(map(str.isalpha, text))
    return {"characters": len(text), "words": len(words), "non_letter_share": (visible - letters) / max(visible, 1)}
