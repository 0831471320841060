"""VME Tools: manage many KVM hypervisors, grouped in zones that share storage, with nothing installed on them."""

__version__ = "0.1.0"
