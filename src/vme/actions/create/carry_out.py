"""Creating guests: names claimed in the whole VME, images made, XML defined and saved; each whole or not at all."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from vme.actions.create.clone import refuse_if_used_meanwhile
from vme.actions.create.plan import GuestPlan, Plan
from vme.actions.create.taken import reasons_name_is_taken, reasons_of_definition, refuse_silence
from vme.actions.definition import definition_changed
from vme.actions.new_image import make_image
from vme.actions.together import Stop, together
from vme.actions.undo import CALL_TIMEOUT_S, Undo
from vme.config import Config, Node, Store
from vme.errors import Failed, Interrupted, Refused, VmeError
from vme.fleet.deadline import within
from vme.fleet.guests import ask_guests
from vme.hypervisor.domain_xml import uuid_in
from vme.hypervisor.guest import Guest, define, remove_by_uuid, start
from vme.interrupts import deferred_interrupts
from vme.journal.entry import Intent
from vme.journal.work import Work, accounted, claimed
from vme.node.files import states_of
from vme.progress import Advance
from vme.store.confined import refuse_leading_out
from vme.store.files import hand_to, sync_directory, write_whole
from vme.store.layout import saved_xml_file
from vme.store.nonce import put_nonce, take_nonce

# A seed has passwords and keys in it, UEFI variables may: nobody but QEMU's user needs to read them.
_SECRET_MODE = 0o600
# All copies, whichever node they are for, go through this server's one mount of the store: more of them at once are no
# faster, and can keep a GlusterFS client from answering its server in time (seen with twelve).
_COPIES_AT_ONCE = 4

MAKING_IMAGES, DEFINING, STARTING, SAVING = "making its images", "defining it", "starting it", "saving its definition"


@dataclass
class Outcome:
    """What became of each guest. Filled by several threads, each with guests of its own.

    `unfinished`: of whom something may stay, as the journal says.
    """

    created: dict[str, Guest] = field(default_factory=dict)
    problems: dict[str, VmeError] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)

    @property
    def hint(self) -> str | None:
        """What is to be done about those that are left unfinished."""
        return f"vme repair {' '.join(self.unfinished)} finishes or undoes what was begun" if self.unfinished else None


@dataclass(frozen=True)
class Listener:
    """Whom to tell: of the progress of all images together, and of each guest as it is created or fails."""

    advance: Advance
    created: Callable[[GuestPlan, Guest], None]
    failed: Callable[[GuestPlan, VmeError], None]


def carry_out(plan: Plan, listener: Listener, *, at_once: int, reason: str | None) -> Outcome:
    """Create the guests. One alone raises its own error; of several, each failure is noted and the others go on.

    On Ctrl-C what is being created is undone, what is created stays; raises Interrupted, saying which.
    """
    outcome, stop, copying = Outcome(), Stop(), threading.Semaphore(_COPIES_AT_ONCE)
    percent = _Percent(plan, listener.advance)
    works: dict[str, Work] = {}

    def failed(guest_plan: GuestPlan, problem: VmeError) -> None:
        if guest_plan.name in works and works[guest_plan.name].begun:
            outcome.unfinished.append(guest_plan.name)
        elif isinstance(problem, Interrupted):
            return  # undone; the end of all says so
        outcome.problems[guest_plan.name] = problem
        listener.failed(guest_plan, problem)

    def work(guest_plan: GuestPlan) -> None:
        making = _Making(plan.config, guest_plan, works[guest_plan.name], percent.of(guest_plan), stop, copying)
        with accounted(making.work):
            guest = _create(making, reason)
        outcome.created[guest_plan.name] = guest
        # It is there now: whatever becomes of the words about it undoes nothing.
        listener.created(guest_plan, guest)

    is_one = len(plan.guests) == 1
    with ExitStack() as locks:
        with Undo(_subject(plan)):
            works |= _claim(plan, locks, _raised if is_one else failed, reason)
            mine = [guest_plan for guest_plan in plan.guests if guest_plan.name in works]
            good = _look_again(plan, mine, _raised if is_one else failed)
        if is_one:
            work(plan.guests[0])
            return outcome
        try:
            together(good, lambda guest_plan: guest_plan.node, work, failed, stop, at_once)
        except KeyboardInterrupt:
            raise Interrupted(_interrupted_text(plan, outcome), hint=outcome.hint) from None
    return outcome


def _raised(_plan: GuestPlan, problem: VmeError) -> None:
    raise problem


def _claim(
    plan: Plan, locks: ExitStack, failed: Callable[[GuestPlan, VmeError], None], reason: str | None
) -> dict[str, Work]:
    """Hold the names of all guests; those that another tool holds are not created."""
    _allow_open_files(sum(len(guest.claims) for guest in plan.guests))
    works = {}
    for guest in plan.guests:
        try:
            works[guest.name] = locks.enter_context(claimed(plan.config, _intent(guest, reason), guest.claims))
        except VmeError as problem:
            failed(guest, problem)
    return works


def _intent(plan: GuestPlan, reason: str | None) -> Intent:
    """What repairing needs: names in the guest's own directory, and the identity it is to have."""
    facts = {
        "node": plan.node.name,
        "store": plan.store.name,
        "files": [path.name for path in (*(image.path for image in plan.images), *(file.path for file in plan.files))],
        "nvram": None if plan.nvram is None else plan.nvram.name,
        "start": plan.request.start,
    }
    return Intent("create_guest", plan.name, plan.node.zone, uuid_in(plan.xml), facts, reason)


def _allow_open_files(locks: int) -> None:
    """Each lock is an open file, and a shell's usual limit is 1024: raise ours as far as it may be (setrlimit(2))."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = locks + 1024
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _look_again(
    plan: Plan, plans: Sequence[GuestPlan], failed: Callable[[GuestPlan, VmeError], None]
) -> list[GuestPlan]:
    """Look again, now that nobody else can create the names: somebody may have, between our first look and our locks.

    Then prove, once for each node and store, that both sides of the store are the same.
    """
    replies = ask_guests(plan.config, plan.config.nodes, plan.config.defaults.timeout_s)
    everyone = [guest for answer in replies.answers for guest in answer.value]
    if not plan.force:
        refuse_silence([guest_plan.name for guest_plan in plans], replies.silences)
    proofs: dict[tuple[Node, Store], VmeError | None] = {}
    good = []
    for guest_plan in plans:
        reasons = reasons_name_is_taken(plan.stores, guest_plan.name, everyone)
        reasons += reasons_of_definition(guest_plan.name, guest_plan.xml, everyone)
        if reasons:
            failed(guest_plan, Refused(guest_plan.name, reasons))
            continue
        place = (guest_plan.node, guest_plan.store)
        if place not in proofs:
            proofs[place] = _proof(plan.config, guest_plan)
        problem = proofs[place]
        if problem is not None:
            failed(guest_plan, problem)
            continue
        good.append(guest_plan)
    return good


def _proof(config: Config, plan: GuestPlan) -> VmeError | None:
    """The error to raise unless the node sees, on the store, a file of a name nobody can foresee."""
    store, node = plan.store, plan.node
    nonce = put_nonce(store)
    if nonce.problem is not None:
        where = f"virt-store {store.name} of zone {store.zone} ({store.management_path} on this server)"
        return Refused(plan.name, [f"{where} can't be written to: {nonce.problem}; is it mounted?"])
    try:
        seen = states_of(node, config.ssh, [nonce.path], timeout_s=config.defaults.timeout_s)
    except VmeError as problem:
        return Failed(f"{plan.name}: {problem.message}", hint=problem.hint)
    finally:
        take_nonce(nonce)
    if nonce.path in seen:
        return None
    where = f"{store.management_path} here and {store.node_path} on {node.name}"
    return Refused(plan.name, [f"{where} are not the same directory: what is written here is not seen there"])


@dataclass(frozen=True)
class _Making:
    """One guest that is being created, its work in the journal, and who is told of its images."""

    config: Config
    plan: GuestPlan
    work: Work
    advance: Advance
    stop: Stop
    copying: threading.Semaphore


def _create(making: _Making, reason: str | None) -> Guest:
    """Create one guest. On any failure, and on Ctrl-C, everything done for it is undone before it raises."""
    config, plan, work = making.config, making.plan, making.work
    owner, directory = plan.owner, plan.directory
    with Undo(plan.name, work) as undo:
        work.step(MAKING_IMAGES)
        with deferred_interrupts():
            directory.mkdir(mode=0o700)
            undo.add(f"directory {directory}", directory.rmdir)
        with making.copying:
            _make_images(config, plan, undo, making.advance, making.stop)
        for file in plan.files:
            undo.add(f"{file.what} {file.path}", lambda path=file.path: path.unlink(missing_ok=True))  # type: ignore[misc]
            write_whole(file.path, file.content, mode=_SECRET_MODE)
            hand_to(file.path, owner.uid, owner.gid, _SECRET_MODE)
        # Once all is in it, for then its QEMU's user may put links there; but before the node first looks: its client
        # of the store remembers for a second what it saw, modes included.
        hand_to(directory, owner.uid, owner.gid, config.defaults.directory_mode)
        if plan.nvram is not None:
            nvram = plan.nvram
            undo.add(f"UEFI variables {nvram}", lambda: nvram.unlink(missing_ok=True))
        making.stop.check()
        work.step(DEFINING)
        guest = _define(plan, undo)
        xml_file = saved_xml_file(plan.store, plan.name)
        undo.add(f"saved XML {xml_file}", lambda: xml_file.unlink(missing_ok=True))
        sync_directory(plan.store.management_path)
        making.stop.check()
        if plan.request.start:
            work.step(STARTING)
            within(CALL_TIMEOUT_S, str(guest), lambda: start(guest))
        work.step(SAVING)
        # Last, so that a guest whose creation was undone has no history.
        definition_changed(config, guest, tool="create_guest", reason=reason)
    return guest


def _make_images(config: Config, plan: GuestPlan, undo: Undo, advance: Advance, stop: Stop) -> None:
    owner, total = plan.owner, len(plan.images)
    for number, image in enumerate(plan.images):
        stop.check()
        undo.add(f"image {image.path}", lambda path=image.path: path.unlink(missing_ok=True))  # type: ignore[misc]

        def tell(percent: float, words: str, number: int = number) -> None:
            stop.check()
            advance((100 * number + percent) / total, words)

        if plan.source is not None and image.source is not None:
            stores = config.zone(plan.source.node.zone).stores
            refuse_leading_out(image.source.path, image.source.format, stores)
        make_image(image, tell)
        hand_to(image.path, owner.uid, owner.gid, config.defaults.image_mode)
    if plan.source is not None:
        refuse_if_used_meanwhile(plan.source)
    advance(100, "")


def _define(plan: GuestPlan, undo: Undo) -> Guest:
    hypervisor, uuid = plan.report.hypervisor, uuid_in(plan.xml)
    subject = f"{plan.name} on {plan.node.name}"
    undo.add(
        f"the definition of {subject}",
        lambda: within(CALL_TIMEOUT_S, subject, lambda: remove_by_uuid(hypervisor, uuid)),
    )
    return within(CALL_TIMEOUT_S, subject, lambda: define(hypervisor, plan.xml, subject=subject))


def _subject(plan: Plan) -> str:
    return plan.guests[0].name if len(plan.guests) == 1 else f"{len(plan.guests)} guests"


def _interrupted_text(plan: Plan, outcome: Outcome) -> str:
    from vme.nodesets import folded

    undone = "what was being created was undone"
    if outcome.unfinished:
        undone += f", but for {folded(outcome.unfinished)}, as said above"
    if not outcome.created:
        return f"interrupted; {undone}" + ("" if outcome.unfinished else ", and nothing is created")
    names = folded(list(outcome.created))
    return (
        f"interrupted; {undone}. Created before that, and left: {names} ({len(outcome.created)} of {len(plan.guests)})"
    )


class _Percent:
    """The progress of all guests' images as one figure: the mean of each one's own."""

    def __init__(self, plan: Plan, advance: Advance) -> None:
        self._advance = advance
        self._count = len(plan.guests)
        self._each: dict[str, float] = {}
        self._lock = threading.Lock()

    def of(self, guest_plan: GuestPlan) -> Advance:
        """What one guest's work calls."""

        def advance(percent: float, words: str) -> None:
            with self._lock:
                self._each[guest_plan.name] = percent
                mean = sum(self._each.values()) / self._count
                self._advance(mean, words or self._count_words())

        return advance

    def _count_words(self) -> str:
        done = sum(percent >= 100 for percent in self._each.values())
        return "" if self._count == 1 else f"{done} of {self._count} images"
