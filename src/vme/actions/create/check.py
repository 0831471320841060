"""Deciding everything about new guests, and changing nothing: one plan for all, every reason against it at once."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from vme.actions.create import clone, domain
from vme.actions.create.ground import Ground, survey
from vme.actions.create.plan import GuestPlan, NewFile, Plan, nvram_path, targets
from vme.actions.create.reasons import Reasons
from vme.actions.create.seed import SeedSource, read_source, seed_files
from vme.actions.create.site import Site, choose_sites, zone_for
from vme.actions.create.storage import check_isos, check_space, check_stores, choose_claims, plan_images
from vme.actions.create.taken import readable_stores, reasons_name_is_taken, refuse_silence, silence_reasons
from vme.actions.create.wish import Request, SeedWish
from vme.actions.new_image import ImagePlan
from vme.actions.ownership import Owner
from vme.actions.placement import why_not_room
from vme.config import Config, Node, Store
from vme.errors import Misused, Silent
from vme.fleet.everywhere import silence_text
from vme.fleet.inventory import store_named
from vme.fleet.report import ask_reports
from vme.hypervisor.connection import reasons_not_to_change
from vme.hypervisor.domain_xml import uuid_in
from vme.hypervisor.new_domain import macs_in, with_cdrom
from vme.store.layout import guest_directory
from vme.store.seed_iso import seed_iso

# From this version libvirt sets VLANs on Linux bridges; before, it knows them with Open vSwitch only (libvirt's NEWS).
_VLAN_ON_BRIDGES = (11, 0, 0)


def check(config: Config, requests: Sequence[Request], *, force: bool, timeout_s: float) -> Plan:
    """Decide all and change nothing. Raises Misused (no node was asked), NotFound, Silent, or Refused with all reasons.

    The nodes are asked twice, each time all at once: for their guests and memory, then the chosen ones for the rest.
    """
    seeds = _read_before_asking(config, requests)
    replies = ask_reports(config, config.nodes, timeout_s)
    everyone = [guest for answer in replies.answers for guest in answer.value.guests]
    sources = dict.fromkeys(request.source for request in requests if request.source is not None)
    originals = {name: clone.read_original(config, name, everyone, replies.silences, timeout_s) for name in sources}
    sites = choose_sites(config, requests, originals, replies)
    reasons = Reasons([site.request.name for site in sites])
    stores = readable_stores(config, reasons, force=force, timeout_s=timeout_s)
    for site in sites:
        reasons.add(site.request.name, *reasons_name_is_taken(stores, site.request.name, everyone))
        reasons.add(site.request.name, *reasons_not_to_change(site.report.hypervisor))
        _check_room(site, reasons, force=force)
    if any(site.report.hypervisor.read_only for site in sites):
        raise reasons.refusal()  # what follows asks what a read-only connection is not told
    usable = check_stores(sites, reasons, timeout_s)
    grounds = _survey(config, sites, timeout_s)
    owners = {site.request.name: _check_ground(site, grounds[site.report.node], reasons) for site in sites}
    claims = choose_claims(config, sites, reasons, force=force, timeout_s=timeout_s)
    if not usable:
        raise reasons.refusal()  # what follows reads the store
    images = plan_images(config, sites, owners, reasons)
    isos = check_isos(sites, owners, reasons)
    if not reasons:
        check_space(sites, images, reasons, timeout_s)
    if reasons:
        reasons.add_to_all(*([] if force else silence_reasons(replies.silences)))
        raise reasons.refusal()
    if not force:
        refuse_silence([site.request.name for site in sites], replies.silences)
    bare = domain.bare_domains(config, sites, grounds, everyone)
    plans = []
    for site in sites:
        name = site.request.name
        xml = _with_iso(_domain(site, bare, images[name]), isos[name])
        plans.append(_guest_plan(site, xml, images[name], seeds.get(site.request.seed), owners[name], claims[name]))
    return Plan(config, tuple(plans), stores, force)


def _read_before_asking(config: Config, requests: Sequence[Request]) -> dict[SeedWish, SeedSource]:
    """All that can be wrong without any node's word. Raises Misused."""
    names = [request.name for request in requests]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise Misused(f"named more than once: {', '.join(doubles)}")
    for request in requests:
        if len(request.disks) > len(targets()):
            raise Misused(f"{request.name}: {len(request.disks)} disks are more than {len(targets())}")
        if len(request.seed.addresses) > len(request.bridges):
            what = f"{len(request.seed.addresses)} addresses for {len(request.bridges)} interfaces"
            raise Misused(f"{request.name}: {what}", hint="give it a bridge (-b) for each address")
        if request.source is None:
            store_named(zone_for(config, request), request.store)
    return {request.seed: read_source(request.seed) for request in requests if request.seed.wanted}


def _check_room(site: Site, reasons: Reasons, *, force: bool) -> None:
    request = site.request
    room = why_not_room(site.report, request.memory_mib, {site.report.node.name: site.promised_mib})
    if room and not force:
        reasons.add(request.name, f"{room}; --force creates it all the same")


def _survey(config: Config, sites: Sequence[Site], timeout_s: float) -> dict[Node, Ground]:
    wanted: dict[Node, set[Store]] = {}
    for site in sites:
        wanted.setdefault(site.report.node, set()).add(site.store)
    replies = survey(config, wanted, timeout_s)
    if replies.silences:
        raise Silent(
            f"{sites[0].request.name}: no answer from {silence_text(replies.silences)}",
            hint="see to that node, or choose another one with -s",
        )
    return {answer.node: answer.value for answer in replies.answers}


def _check_ground(site: Site, ground: Ground, reasons: Reasons) -> Owner | None:
    """Whose the guest's images must be. What its node can't give it is noted as a reason."""
    request, node = site.request, site.report.node.name
    owner, problems = ground.owners[site.store]
    reasons.add(request.name, *problems)
    for wish in request.bridges:
        if wish.bridge not in ground.bridges:
            reasons.add(request.name, f"{node} has no bridge {wish.bridge}")
    version = site.report.facts.libvirt_version
    if any(wish.vlan for wish in request.bridges) and _numbers(version) < _VLAN_ON_BRIDGES:
        reasons.add(
            request.name,
            f"{node} has libvirt {version}, which sets no VLAN on a Linux bridge (11.0 does): make a bridge for the "
            "VLAN there, and name that",
        )
    machine, able = request.machine, ground.capabilities
    if machine.uefi and not able.uefi:
        reasons.add(request.name, f"{node} has no UEFI firmware for guests: install ovmf (edk2-ovmf) there")
    elif machine.secure_boot and not able.secure_boot:
        reasons.add(request.name, f"{node} has no UEFI firmware with Secure Boot")
    if machine.tpm and not able.tpm_emulator:
        reasons.add(request.name, f"{node} can't emulate a TPM: install swtpm (and swtpm-tools) there")
    return owner


def _domain(site: Site, bare: Mapping[str, str], images: Sequence[ImagePlan]) -> str:
    if site.original is None:
        return bare[site.request.name]
    return domain.copied_domain(site.request, site.original, images, site.store)


def _with_iso(xml: str, iso: PurePosixPath | None) -> str:
    return xml if iso is None else with_cdrom(xml, iso)


def _guest_plan(
    site: Site,
    xml: str,
    images: tuple[ImagePlan, ...],
    seed: SeedSource | None,
    owner: Owner | None,
    claims: tuple[Store, ...],
) -> GuestPlan:
    assert owner is not None, "without an owner it was refused"
    request, store, original = site.request, site.store, site.original
    directory = guest_directory(store, request.name)
    files = []
    if seed is not None:
        texts = seed_files(seed, request.name, uuid_in(xml), macs_in(xml))
        files.append(NewFile(directory / f"{request.name}-seed.iso", "cloud-init seed", seed_iso(texts)))
    xml = domain.with_storage(xml, request, images, files[0].path if files else None, store)
    xml, nvram = domain.with_own_nvram(xml, nvram_path(directory, request.name), store, copied=original is not None)
    if original is not None and nvram is not None and original.nvram is not None:
        files.append(NewFile(nvram, "UEFI variables", original.nvram))
    return GuestPlan(
        request,
        site.report,
        site.placement,
        store,
        claims,
        images,
        tuple(files),
        nvram,
        owner,
        xml,
        None if original is None else original.guest,
        () if original is None else clone.remarks_on(original, new_seed=seed is not None),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
