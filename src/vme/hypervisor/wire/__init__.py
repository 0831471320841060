"""libvirt's wire protocol, as much of it as a listing needs; the library is neither loaded nor imitated further."""
