"""A zone of real hypervisors on one machine: every host is a set of namespaces with real daemons in it."""
