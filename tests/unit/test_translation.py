"""libvirt's errors as ours: which class, and so which exit status, each becomes."""

import libvirt
import pytest

from vme.errors import Failed, NotFound, Refused, Silent, VmeError
from vme.hypervisor.translation import translated


class Given(libvirt.libvirtError):
    """An error of libvirt's with a code and a message; the real one takes both from the library's own state."""

    def __init__(self, code: int | None, message: str | None) -> None:
        Exception.__init__(self, message or "")
        self.err = None if code is None else (code, 0, message, 0, "", "", "", 0, 0)


CASES: list[tuple[int | None, str | None, type[VmeError], str]] = [
    (libvirt.VIR_ERR_NO_DOMAIN, "Domain not found", NotFound, "there is no such guest"),
    (libvirt.VIR_ERR_OPERATION_INVALID, "domain is not running", Refused, "domain is not running"),
    (libvirt.VIR_ERR_RPC, "Cannot write data: Broken pipe", Silent, "the connection was cut"),
    (libvirt.VIR_ERR_SYSTEM_ERROR, "Cannot recv data: Connection reset by peer", Silent, "the connection was cut"),
    (libvirt.VIR_ERR_INTERNAL_ERROR, "client socket is closed", Silent, "the connection was cut"),
    (libvirt.VIR_ERR_INTERNAL_ERROR, "End of file while reading data: Input/output error", Silent, "was cut"),
    (libvirt.VIR_ERR_INTERNAL_ERROR, "unable to execute QEMU command", Failed, "unable to execute QEMU command"),
    (libvirt.VIR_ERR_OPERATION_TIMEOUT, "end of file is no config", Failed, "end of file is no config"),
    (None, None, Failed, "web1 on kvm01: "),
]


@pytest.mark.parametrize(("code", "message", "kind", "says"), CASES)
def test_each_error_has_its_class(code: int | None, message: str | None, kind: type[VmeError], says: str) -> None:
    with pytest.raises(kind) as caught, translated("web1 on kvm01"):
        raise Given(code, message)
    assert type(caught.value) is kind
    assert caught.value.message.startswith("web1 on kvm01: ")
    assert says in caught.value.message
    assert isinstance(caught.value.__cause__, libvirt.libvirtError)


def test_a_hint_where_a_person_can_mend_it() -> None:
    with pytest.raises(Failed) as caught, translated("kvm01"):
        raise Given(libvirt.VIR_ERR_AUTH_FAILED, "authentication failed")
    assert "usermod" in (caught.value.hint or "")


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), translated("kvm01"):
        raise ZeroDivisionError
