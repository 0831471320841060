"""Linux md arrays and the disks under them: what a machine is asked, pure parsers, and the one table of commands."""
