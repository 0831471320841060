"""Which guests are meant: words of the command line (a union of them), narrowed by zone, node and state.

A selection is data: it is made from the command line before any node is asked, and matched against what the nodes say.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from vme.config import Config, Node
from vme.errors import Misused
from vme.fleet.inventory import nodes_named
from vme.hypervisor.guest import INACTIVE, STATES, Guest
from vme.names import checked, shown
from vme.records import dataclass, replace

# A state is written with a hyphen where libvirt writes a space; `off` and `on` are what people ask for most.
STATE_WORDS = {state.replace(" ", "-"): frozenset((state,)) for state in STATES.values()}
STATE_WORDS |= {"off": frozenset(INACTIVE), "on": frozenset(STATES.values()) - frozenset(INACTIVE)}


@dataclass(frozen=True)
class Word:
    """One word that names guests: `names` of a name or node set, or else a `glob`, or else a `tag`."""

    text: str
    names: frozenset[str] = frozenset()
    glob: str | None = None
    tag: str | None = None

    def matches(self, guest: Guest) -> bool:
        """Whether the guest is meant. Of a tag it must have been asked which it bears."""
        if self.tag is not None:
            return guest.labels is not None and self.tag in guest.labels.tags
        return fnmatchcase(guest.name, self.glob) if self.glob is not None else guest.name in self.names

    def missing_from(self, guests: Iterable[Guest]) -> list[str]:
        """What this word asks for and these guests are not: names, or the word itself if it matches none of them."""
        if self.names:
            return sorted(self.names - {guest.name for guest in guests})
        return [] if any(self.matches(guest) for guest in guests) else [self.text]


@dataclass(frozen=True)
class Selection:
    """Guests that any of the words means (with no words: all), on these nodes, in these states (None: in any)."""

    words: tuple[Word, ...]
    nodes: frozenset[Node]
    states: frozenset[str] | None = None
    on_all_nodes: bool = True

    @property
    def needs_labels(self) -> bool:
        """Whether nodes must be asked for tags."""
        return any(word.tag is not None for word in self.words)

    @property
    def is_open(self) -> bool:
        """Whether guests are meant that nobody named: then a silent node may have more of them."""
        return not self.words or any(not word.names for word in self.words)

    def covers(self, guest: Guest) -> bool:
        """Whether the guest is on one of the nodes and in one of the states."""
        return guest.node in self.nodes and (self.states is None or guest.state in self.states)

    def matches(self, guest: Guest) -> bool:
        """Whether the guest is meant."""
        return self.covers(guest) and (not self.words or any(word.matches(guest) for word in self.words))

    def on(self, nodes: Iterable[Node]) -> "Selection":
        """The same on these of its nodes only. Raises Misused if none is left."""
        left = self.nodes & frozenset(nodes)
        if not left:
            raise Misused("no node is left by what narrows the nodes", hint="node_list shows which are in which zone")
        return replace(self, nodes=left, on_all_nodes=False)

    def matches_by_tag(self, guest: Guest) -> bool:
        """Whether the guest is meant because of a tag only."""
        named = [word for word in self.words if word.tag is None]
        return self.matches(guest) and bool(self.words) and not any(word.matches(guest) for word in named)


def select(
    config: Config,
    words: Sequence[str] = (),
    *,
    zones: Sequence[str] = (),
    nodes: Sequence[str] = (),
    states: Sequence[str] = (),
) -> Selection:
    """The selection that these words and options of a command line mean; asks no node.

    `nodes` are node sets, groups and zones as inventory.nodes_named reads them; `states` may hold commas. Raises
    Misused for what can't be meant.
    """
    wanted = frozenset(state for word in _split(states) for state in _states_of(word)) if states else None
    selection = Selection(tuple(_word(config, text) for text in words), frozenset(config.nodes), wanted)
    if zones:
        selection = selection.on(node for name in _split(zones) for node in config.zone(name).nodes)
    if nodes:
        selection = selection.on(node for text in nodes for node in nodes_named(config, text))
    return selection


def _word(config: Config, text: str) -> Word:
    is_glob, is_set = any(character in text for character in "*?"), any(character in text for character in "[,")
    if text.startswith("@"):
        return Word(text, tag=_tag(config, text[1:]))
    if is_glob and is_set:
        raise Misused(
            f"{text!a} is both a set and a pattern",
            hint="a set is web[01-20], a pattern knows * and ?: write two words",
        )
    if is_glob:
        return Word(text, glob=text)
    return Word(text, names=_names_of(text) if is_set else frozenset((text,)))


def _tag(config: Config, name: str) -> str:
    if name in {zone.name for zone in config.zones}:
        raise Misused(
            f"@{name} would be a tag, and {name} is a zone", hint=f"the zone's guests are: --all --zone {name}"
        )
    return checked(name, "tag")


def _names_of(text: str) -> frozenset[str]:
    from vme.nodesets import expanded_names

    try:
        names = frozenset(expanded_names(text))
    except ValueError as problem:
        raise Misused(f"{text!a} is not a set of names: {problem}", hint="write it as web[01-20]") from None
    if not names:
        raise Misused(f"{text!a} is a set of no names", hint="write it as web[01-20]")
    return names


def _states_of(word: str) -> frozenset[str]:
    states = STATE_WORDS.get(word.lower().replace(" ", "-"))
    if states is None:
        raise Misused(f"there is no state {shown(word)}", hint=f"the states are: {', '.join(STATE_WORDS)}")
    return states


def _split(texts: Iterable[str]) -> list[str]:
    return [part for text in texts for part in text.split(",") if part]
