"""Addresses for guests: dnsmasq in the switch, on the network of all nodes' bridges."""

from lab.errors import LabError
from lab.place import Lab
from lab.topology import GUESTS


def write_config(lab: Lab) -> None:
    """dnsmasq's configuration: DHCP only, and nothing of the machine's files."""
    home = lab.home_of(lab.topology.switch)
    (home / "dnsmasq.conf").write_text(
        "port=0\n"
        f"interface={GUESTS.name}\n"
        "bind-interfaces\n"
        "except-interface=lo\n"
        "no-resolv\n"
        "no-hosts\n"
        "user=root\n"
        "pid-file=/run/dnsmasq.pid\n"
        f"dhcp-range={GUESTS.address(50)},{GUESTS.address(250)},255.255.255.0,12h\n"
        "dhcp-authoritative\n"
        # Asking by ping whether an address is free delays each offer by up to 3 s; here nobody else gives addresses.
        "no-ping\n"
        # Neither a router nor a name server: there is nothing beyond this network.
        "dhcp-option=option:router\n"
        "dhcp-option=option:dns-server\n"
        f"dhcp-leasefile={home}/leases\n"
        f"log-facility={lab.log_of(lab.topology.switch)}/dnsmasq.log\n"
        "log-dhcp\n"
    )


def guest_address(lab: Lab, mac_or_name: str) -> str:
    """The address that was given to the guest with this MAC or host name. Raise LabError if none was."""
    leases = lab.home_of(lab.topology.switch) / "leases"
    if leases.exists():
        for line in leases.read_text().splitlines():
            _expires, mac, address, name, *_ = line.split()
            if mac_or_name.lower() == mac or mac_or_name == name:
                return address
    raise LabError(f"no guest {mac_or_name!r} asked for an address")
