"""The page a person looks at after split."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tasks.markdown import table

DOMAINS_SHOWN = 12
NO_DOMAIN = "(none)"


def card(parts: Mapping[str, pd.DataFrame], classes: Sequence[str], how: str, unlabelled: int) -> str:
    """Markdown: how the splits were decided, then rows and class shares per split, and per domain and split.

    `parts`: the table of each split by name. `unlabelled`: how many records had no consensus. Of many domains only the
    largest are shown.
    """
    left_out = f" {unlabelled:,} records without labels are in no split." if unlabelled else ""
    total = sum(len(part) for part in parts.values())
    by_split = [(name, *_figures(part, total, classes)) for name, part in parts.items()]
    header = ("split", "rows", "share", *classes)
    pages = [how + left_out, table(header, by_split), table(("domain", *header), _domain_rows(parts, classes))]
    return "\n\n".join(page.rstrip() for page in pages) + "\n"


def _domain_rows(parts: Mapping[str, pd.DataFrame], classes: Sequence[str]) -> list[tuple[str, ...]]:
    """A row for each of the largest domains and each split; shares are of the domain's rows."""
    domains = {name: part["domain"].fillna(NO_DOMAIN) for name, part in parts.items()}
    sizes = pd.concat(list(domains.values())).value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return [
        (str(domain), name, *_figures(part[domains[name] == domain], int(size), classes))
        for domain, size in sizes.head(DOMAINS_SHOWN).items()
        for name, part in parts.items()
    ]


def _figures(rows: pd.DataFrame, total: int, classes: Sequence[str]) -> list[str]:
    """Rows, their share of `total`, and the share of each class among them."""
    counts = rows["label"].value_counts()
    shares = [int(counts.get(name, 0)) / max(1, len(rows)) for name in classes]
    return [f"{len(rows):,}", f"{len(rows) / max(1, total):.1%}", *(f"{share:.1%}" for share in shares)]
