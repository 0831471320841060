"""Where a name is claimed while a guest of that name comes into being: in every zone, for names are VME-wide."""

from collections.abc import Sequence

from vme.config import Config, Store
from vme.store.proof import reasons_not_usable


def claims_on(
    config: Config, own: Sequence[Store], *, force: bool, timeout_s: float
) -> tuple[tuple[Store, ...], list[str]]:
    """The stores to hold a name on, these and the first of each zone; and why some can't be used.

    With `force` those that can't be used are left out.
    """
    others = [zone.stores[0] for zone in config.zones if zone.stores[0] not in own]
    problems = {other: reasons_not_usable(other, 0, timeout_s=timeout_s) for other in others}
    claims = (*own, *(other for other in others if not problems[other] or _only_full(problems[other])))
    if force:
        return claims, []
    bad = [reason for other in others if other not in claims for reason in problems[other]]
    return claims, [f"the name can't be claimed there: {reason}; --force does without" for reason in bad]


def _only_full(problems: Sequence[str]) -> bool:
    return all(" is full: " in problem for problem in problems)
