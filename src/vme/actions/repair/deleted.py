"""A guest whose deletion was left unfinished: one that is still defined has all it had; the files of any other go."""

from vme.actions.delete import UNDEFINING, put_away, reasons_needed_by_others
from vme.actions.repair.remedy import Ground, Remedy, blocked, on_unknown_node
from vme.store.layout import guest_directory


def remedy(ground: Ground) -> Remedy:
    """Nothing is undone where it is still defined, for nothing is lost; finish it where its definition is gone."""
    entry, name = ground.entry, ground.name
    if ground.same:
        where = ", ".join(f"{guest.state} on {guest.node.name}" for guest in ground.same)
        return Remedy(f"it is still defined ({where}), and none of its files was touched", f"del_guest {name} again")
    unknown = on_unknown_node(ground, "node")
    if unknown is not None:
        return unknown
    if not entry.came_to(UNDEFINING):
        return Remedy(
            "its definition is gone, but del_guest had not come to that", f"keep its files: define_guest {name}"
        )
    if ground.namesakes:
        other = ground.namesakes[0]
        return blocked(f"another guest of that name is on {other.node.name}", "see whose the files are")
    store = next((one for one in ground.stores if one.name == entry.fact("store")), None)
    if store is not None and not guest_directory(store, name).is_dir():
        store = None
    if store is not None:
        reasons = reasons_needed_by_others(store, name, ground.definitions, ground.stores)
        if reasons:
            return blocked(f"its definition is removed, but {'; '.join(reasons)}", "see to that guest first")
    purge = bool(entry.fact("purge"))
    fate = "remove its files for good" if purge else "move its files to the trash"
    return Remedy(
        "its definition is removed",
        fate if store is not None else "its files are gone too; its history goes",
        lambda: put_away(name, store, ground.stores, purge=purge),
    )
