"""What new guests need of the stores: room, images to begin with, an ISO, and their names claimed."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from vme.actions.claims import claims_on
from vme.actions.create import clone
from vme.actions.create.media import find_iso
from vme.actions.create.plan import targets
from vme.actions.create.reasons import Reasons
from vme.actions.create.site import Site
from vme.actions.new_image import ImagePlan, ImageSource, as_overlay, find_source, plan_image, reasons_against
from vme.actions.ownership import Owner
from vme.config import Config, Store
from vme.store.layout import guest_directory, image_name
from vme.store.proof import reasons_not_usable

Images = Mapping[str, tuple[ImagePlan, ...]]


def check_stores(sites: Sequence[Site], reasons: Reasons, timeout_s: float) -> bool:
    """Whether all stores can be used; what is wrong with one is a reason against each guest on it."""
    problems = {store: reasons_not_usable(store, 0, timeout_s=timeout_s) for store in {site.store for site in sites}}
    for site in sites:
        reasons.add(site.request.name, *problems[site.store])
    return not any(problems.values())


def plan_images(config: Config, sites: Sequence[Site], owners: Mapping[str, Owner | None], reasons: Reasons) -> Images:
    """Guest's name -> its images. An image that several begin with is looked at once."""
    sources: dict[tuple[str, Store, str], ImageSource] = {}
    images = {}
    for site in sites:
        request, name = site.request, site.request.name
        directory = guest_directory(site.store, name)
        if site.original is not None:
            owner = owners[name]
            images[name], problems = clone.plan_images(
                request, site.original, directory, site.store, owner.uid if owner else 0
            )
            reasons.add(name, *site.original.reasons, *problems)
            continue
        source = None
        if request.image is not None:
            key = (request.image, site.store, request.disks[0].format)
            if key not in sources:
                sources[key] = find_source(*key)
            source = sources[key]
            reasons.add(name, *reasons_against(source, request.disks[0].gib))
        plans = [
            plan_image(
                directory / image_name(name, target),
                disk.format,
                disk.gib,
                config.defaults.disk_gib,
                source if target == "vda" else None,
            )
            for target, disk in zip(targets(len(request.disks)), request.disks, strict=True)
        ]
        if request.linked and source is not None and source.facts is not None:
            plans[0], problems = as_overlay(plans[0], site.store)
            reasons.add(name, *problems)
        images[name] = tuple(plans)
    return images


def check_space(sites: Sequence[Site], images: Images, reasons: Reasons, timeout_s: float) -> None:
    """Whether each store has room for all that is to be put there."""
    needed: dict[Store, int] = {}
    for site in sites:
        bytes_ = sum(image.needed_bytes for image in images[site.request.name])
        needed[site.store] = needed.get(site.store, 0) + bytes_
    problems = {store: reasons_not_usable(store, bytes_, timeout_s=timeout_s) for store, bytes_ in needed.items()}
    for site in sites:
        reasons.add(site.request.name, *problems[site.store])


def check_isos(
    sites: Sequence[Site], owners: Mapping[str, Owner | None], reasons: Reasons
) -> dict[str, PurePosixPath | None]:
    """Guest's name -> its ISO as the nodes see it; None if it has none, or there is a reason against it."""
    isos: dict[str, PurePosixPath | None] = {}
    for site in sites:
        name, text, owner = site.request.name, site.request.machine.iso, owners[site.request.name]
        isos[name] = None
        if text is not None:
            isos[name], problems = find_iso(text, site.store, owner)
            reasons.add(name, *problems)
    return isos


def choose_claims(
    config: Config, sites: Sequence[Site], reasons: Reasons, *, force: bool, timeout_s: float
) -> dict[str, tuple[Store, ...]]:
    """Guest's name -> the stores on which to claim it; why that can't be done on some is a reason."""
    of_store = {
        store: claims_on(config, (store,), force=force, timeout_s=timeout_s)
        for store in dict.fromkeys(site.store for site in sites)
    }
    for site in sites:
        reasons.add(site.request.name, *of_store[site.store][1])
    return {site.request.name: of_store[site.store][0] for site in sites}
