"""Is the challenger shown better? By an interval above zero and a p-value below alpha, on the same rows."""

from statistics import NormalDist

from tasks.check import Check
from tasks.recipe import Gate
from tasks.release.alpha_spending import Look
from tasks.release.contest import Advantage, Contest, advantage, enough_samples, luck

DIGITS = 6


def better(contest: Contest, gate: Gate, look: Look, rival: str) -> Check:
    """Whether both the bootstrap and the exact test show an advantage over `rival`; a tie does not hold.

    The look's alpha is the largest chance to hold when there is none.
    """
    if not len(contest):
        return Check("better", False, f"no test row is left that {rival} has not learned from; collect new records")
    samples = enough_samples(gate, look.alpha)
    found = advantage(contest, gate.metric, samples)
    p_value = luck(contest, gate.metric, samples)
    low, high = found.low(look.alpha), found.high(look.alpha)
    shown = low > 0 and p_value <= look.alpha
    detectable = smallest_detectable(found, look.alpha, gate.power)
    # A p-value of resamples is never below one of them.
    worn_out = "; these test rows were judged on so often that nothing more can be shown on them: collect new records"
    words = "shown better" if shown else "shown worse" if high < 0 else "not shown better"
    reason = (
        f"{words}: {found.estimate:+.4f} {gate.metric} ({1 - 2 * look.alpha:.1%} interval {low:+.4f} to {high:+.4f}, "
        f"p {p_value:.2g} against alpha {look.alpha:.2g}) on the same {len(contest):,} test rows as {rival}; "
        f"a gain of {detectable:.4f} is found with {gate.power:.0%} power"
        f"{worn_out if look.alpha * (samples + 1) < 1 else ''}"
    )
    figures = {"estimate": found.estimate, "low": low, "high": high, "smallest_detectable": detectable}
    rounded = {name: round(value, DIGITS) for name, value in figures.items()}
    return Check("better", shown, reason, {**rounded, "p": p_value, "alpha": look.alpha, "power": gate.power})


def smallest_detectable(found: Advantage, alpha: float, power: float) -> float:
    """The true gain that a one-sided test at `alpha` finds with chance `power` on such rows (Bloom 1995)."""
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) * found.error
