"""Which node a guest goes to, if nothing speaks against it: all reasons, before anything moves."""

from collections.abc import Iterator, Sequence

from vme.actions.migrate.left_behind import own_nvram_of
from vme.actions.migrate.owners import owners_of
from vme.actions.migrate.plan import Plan
from vme.actions.migrate.precheck.assess import Assessment, Verdict, assess
from vme.actions.placement import OnItsWay, best_node, promised_beside
from vme.config import Config, MigrationSettings, Node
from vme.errors import Refused, Silent, VmeError
from vme.fleet.deadline import within
from vme.fleet.everywhere import Answer, Silence
from vme.fleet.inventory import node_named
from vme.fleet.report import NodeReport
from vme.hypervisor.guest import Guest
from vme.journal.work import reasons_unfinished, refuse_busy
from vme.names import checked
from vme.records import replace


def check(
    config: Config,
    guest: Guest,
    destination: str | None,
    timeout_s: float,
    *,
    settings: MigrationSettings | None = None,
    on_their_way: Sequence[OnItsWay] = (),
    with_storage: bool = False,
) -> Plan:
    """Decide where the guest goes, and change nothing. Raises Misused, Silent, or Refused with every reason.

    `settings`: how it moves, if not as its zone says; `on_their_way`: guests that were given room already.
    `with_storage`: to a node of another zone, with its images.
    """
    checked(guest.name, "guest")
    # Before it is asked where it is: while another moves it, it may seem to be where it is to go.
    zones = dict.fromkeys((guest.node.zone, *([node_named(config, destination).zone] if destination else [])))
    for zone in zones:
        _refuse_begun(config, guest, zone, timeout_s)
    wanted = wanted_node(config, guest, destination, with_storage=with_storage)
    settings = settings or config.zone(guest.node.zone).migration
    if with_storage:
        refuse_tunnelled(guest, settings)
    (assessment,) = assess(config, [guest], wanted, timeout_s, on_their_way)
    verdict, report, why = _choose(assessment, wanted, on_their_way)
    needs = assessment.needs
    assert needs is not None  # without them something speaks against every node
    if verdict.passage is not None:
        return Plan(
            config,
            guest,
            guest.hypervisor,
            report,
            why,
            replace(settings, postcopy=False),
            needs.baggage,
            warnings=tuple(str(reason) for reason in (*assessment.warnings, *verdict.warnings)),
            nvram=own_nvram_of(needs.root, config.zone(guest.node.zone).stores),
            passage=verdict.passage,
        )
    others = [f"{one.node.name}: {reason}" for one in assessment.verdicts if one != verdict for reason in one.against]
    return Plan(
        config,
        guest,
        guest.hypervisor,
        report,
        why,
        settings,
        needs.baggage,
        warnings=tuple(str(reason) for reason in (*assessment.warnings, *verdict.warnings)),
        against=tuple(others),
        owners=owners_of(needs, config.zone(guest.node.zone).stores, verdict.offer),
        nvram=own_nvram_of(needs.root, config.zone(guest.node.zone).stores),
    )


def _refuse_begun(config: Config, guest: Guest, zone: str, timeout_s: float) -> None:
    """Refuse where work on the guest was begun and is not done; of a store that does not say, assessing tells more."""
    stores = config.zone(zone).stores
    try:
        begun = within(timeout_s, str(guest), lambda: reasons_unfinished(guest.name, stores))
    except (VmeError, OSError):
        return
    if begun:
        refuse_busy(config, guest.name, stores)


def wanted_node(config: Config, guest: Guest, destination: str | None, *, with_storage: bool = False) -> Node | None:
    """The node that is named, None if none is. Raises Misused, or Refused where the guest can't go there at all."""
    if destination is None:
        return None
    wanted, zone = node_named(config, destination), guest.node.zone
    if wanted.zone != zone and not with_storage:
        reason = f"{wanted.name} is in zone {wanted.zone}, not in {zone}, and its nodes have other virt-stores"
        raise Refused(str(guest), [reason], hint="--with-storage moves the guest with its images")
    if wanted.zone == zone and with_storage:
        reason = f"{wanted.name} is in zone {zone} too, and has the same virt-stores: no image is to be copied"
        raise Refused(str(guest), [reason], hint="leave --with-storage away")
    if wanted == guest.node:
        raise Refused(str(guest), [f"is on {guest.node.name} already"])
    return wanted


def refuse_tunnelled(guest: Guest, settings: MigrationSettings) -> None:
    """Raise Refused for a way of sending memory that can't send disks."""
    if guest.active and settings.tunnelled:
        reason = (
            f"zone {guest.node.zone} sends memory through libvirt's own connection (tunnelled), which takes no disks"
        )
        raise Refused(str(guest), [reason], hint="shut the guest down first, or change [migration] of the zone")


def _choose(
    assessment: Assessment, wanted: Node | None, on_their_way: Sequence[OnItsWay]
) -> tuple[Verdict, NodeReport, str]:
    """The node that is wanted, or the best of those that nothing speaks against; and why that one."""
    guest = assessment.guest
    told = {one.node: one.offer.told.report for one in assessment.verdicts if one.offer.told is not None}
    silences = [
        Silence(one.node, one.offer.silence or "no answer") for one in assessment.verdicts if one.offer.told is None
    ]
    if wanted is not None and silences:
        raise Silent(
            f"{guest}: no answer from {wanted.name} ({silences[0].reason})",
            hint="nothing was changed; choose another node, or see to this one",
        )
    possible = [one for one in assessment.possible if one.node in told]
    if not possible:
        if silences and not told and not assessment.anywhere:
            best_node(str(guest), [], silences)  # raises Silent
        subject = f"{guest} to {wanted.name}" if wanted is not None else str(guest)
        raise Refused(subject, list(_all_reasons(assessment, named=wanted is not None)))
    if wanted is not None:
        return possible[0], told[wanted], "as asked"
    answers = [Answer(one.node, told[one.node], True) for one in possible]
    report = best_node(str(guest), answers, silences, promised_beside(list(told.values()), on_their_way))
    (verdict,) = (one for one in possible if one.node == report.node)
    count = f", of {len(possible)} nodes it can go to" if len(possible) > 1 else ", the one node it can go to"
    return verdict, report, f"most memory available: {report.available_mib} MiB{count}"


def _all_reasons(assessment: Assessment, *, named: bool) -> Iterator[str]:
    yield from (str(reason) for reason in assessment.anywhere)
    for verdict in assessment.verdicts:
        yield from (str(reason) if named else f"not to {verdict.node.name}: {reason}" for reason in verdict.against)
    if not assessment.anywhere and not assessment.verdicts:
        yield f"there is no other node in zone {assessment.guest.node.zone}"
