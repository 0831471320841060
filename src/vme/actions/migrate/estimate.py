"""How long a move may take, said before it begins: what the guest dirties is measured for a second."""

import time

from vme.actions.migrate.plan import Plan
from vme.errors import VmeError
from vme.fleet.deadline import within
from vme.hypervisor import migration
from vme.hypervisor.domain_xml import describe
from vme.hypervisor.guest import live_form
from vme.units import duration_text

_PATIENCE_S = 3.0
_POLL_S = 0.1


def estimate(plan: Plan) -> list[str]:
    """For a plan that is only shown: memory, what is dirtied a second, and with a limit of bandwidth the time it takes.

    Empty for a guest that does not run; where its QEMU can't measure that is said.
    """
    if not plan.live:
        return []
    guest, limit_mib = plan.guest, plan.settings.bandwidth_mib
    memory_mib = describe(within(_PATIENCE_S, str(guest), lambda: live_form(guest))).memory_mib
    try:
        dirty_mib = within(_PATIENCE_S, str(guest), lambda: _measured(plan))
    except VmeError as problem:
        return [f"  memory {memory_mib} MiB; what it dirties can't be measured: {problem.message}"]
    said = f"  memory {memory_mib} MiB, of which it dirties {dirty_mib} MiB/s now"
    if limit_mib is None:
        return [said]
    if dirty_mib >= limit_mib:
        return [f"{said}: more than the {limit_mib} MiB/s it may send, so it arrives by the ladder, or stays"]
    # Each pass sends what was dirtied during the one before: a geometric series.
    return [f"{said}: at {limit_mib} MiB/s about {duration_text(memory_mib / (limit_mib - dirty_mib))}, if all is used"]


def _measured(plan: Plan) -> int:
    migration.measure_dirty_rate(plan.guest)
    while (rate := migration.dirty_rate_mib(plan.guest)) is None:
        time.sleep(_POLL_S)
    return rate
