"""What French and English amounts share: which fragments follow the thousands."""

from collections.abc import Callable

from ivr.speech.fragments import Manner


def spoken_euros(
    euros: int, cents: int, *, final: bool, thousands: Callable[[int, int], list[str]]
) -> list[str]:
    """Return the fragments of an amount below a million euros.

    `thousands` says a number of thousands, given also what follows it below a thousand.
    Zero euros and zero cents are left unsaid; `final` is about whole euros only, because
    cents always close an amount.
    """
    spoken: list[str] = []
    above, rest = divmod(euros, 1000)
    if above:
        spoken += thousands(above, rest)
    if euros:
        manner = Manner.FINAL if final and not cents else Manner.CONTINUING
        spoken += _below_a_thousand(rest, manner, singular=euros == 1)
    if cents:
        spoken.append(f"and-cents-{cents}" if euros else f"cents-{cents}")
    return spoken


def _below_a_thousand(rest: int, manner: Manner, *, singular: bool) -> list[str]:
    if not rest:
        return [f"euros.{manner}"]
    hundreds, units = divmod(rest, 100)
    if not units:
        return [f"euros-{rest}.{manner}"]
    spoken = [f"hundreds-{hundreds}"] if hundreds else []
    unit = "1-of-many" if units == 1 and not singular else str(units)
    return [*spoken, f"euros-{unit}.{manner}"]
