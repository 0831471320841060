"""Records are dataclasses: to Python's own functions, to patterns, in sets; and nobody changes them."""

import dataclasses

import pytest

from vme.records import dataclass, field, replace


@dataclass(frozen=True)
class Cable:
    """Between two hosts."""

    one: str
    other: str
    speed: int = 1000
    tags: list[str] = field(default_factory=list)

    @property
    def ends(self) -> str:
        return f"{self.one}-{self.other}"


@dataclass(frozen=True)
class Plug:
    cable: str


def test_it_takes_values_by_place_and_by_name() -> None:
    cable = Cable("a", other="b")
    assert (cable.one, cable.other, cable.speed, cable.tags, cable.ends) == ("a", "b", 1000, [], "a-b")
    assert vars(Cable("a", "b", 10, ["x"])) == {"one": "a", "other": "b", "speed": 10, "tags": ["x"]}


def test_a_factory_makes_a_default_for_each() -> None:
    assert Cable("a", "b").tags is not Cable("a", "b").tags


@pytest.mark.parametrize("values, named", [(("a",), {}), (("a", "b", 1, [], 5), {}), (("a", "b"), {"one": "c"})])
def test_what_does_not_fit_is_a_type_error(values: tuple[str, ...], named: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="Cable"):
        Cable(*values, **named)  # type: ignore[arg-type]


def test_an_unknown_field_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="Cable"):
        Cable("a", "b", colour="red")  # type: ignore[call-arg]


def test_equal_by_class_and_values() -> None:
    assert Plug("a") == Plug("a") != Plug("b")
    other: object = Cable("a", "b")
    assert Plug("a") != other
    assert len({Plug("a"), Plug("a"), Plug("b")}) == 2
    with pytest.raises(TypeError):
        hash(Cable("a", "b"))  # its list has no hash, as with a standard one


def test_nobody_changes_it() -> None:
    plug = Plug("a")
    with pytest.raises(AttributeError):
        plug.cable = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del plug.cable


def test_it_shows_its_fields() -> None:
    assert repr(Plug("a")) == "Plug(cable='a')"


def test_pythons_own_functions_take_it() -> None:
    cable = Cable("a", "b", tags=["x"])
    assert dataclasses.is_dataclass(cable)
    assert dataclasses.replace(cable, other="c") == Cable("a", "c", tags=["x"])
    assert dataclasses.asdict(cable) == {"one": "a", "other": "b", "speed": 1000, "tags": ["x"]}
    assert [one.name for one in dataclasses.fields(Cable)] == ["one", "other", "speed", "tags"]


def test_it_is_replaced_with_some_values_changed() -> None:
    assert replace(Cable("a", "b", 10), one="c") == Cable("c", "b", 10)


def test_it_is_matched_by_place() -> None:
    match Cable("a", "b"):
        case Cable(one, other):
            assert (one, other) == ("a", "b")
        case _:
            pytest.fail("not matched")
