"""Every tool in one table. The modules are imported late: a tool pays for its own imports only."""

from vme.records import dataclass


@dataclass(frozen=True)
class Command:
    """A tool: its own name, its verb under `vme` (one word or two), one line of help, and its module in vme.commands.

    The module has add_arguments(parser, command) and run(arguments, context, command) -> exit status; with HANDS_ON,
    what follows `--` on the command line comes to it unread, as arguments.handed_on; with MENDS_CONFIG it runs also
    where vme.toml can't be used. What is `verb_only` has no name of its own in PATH.
    """

    name: str
    verb: str
    help: str
    module: str
    verb_only: bool = False


_TABLE = (
    Command("list_guests", "list", "list the guests of all nodes", "list_guests"),
    Command("node_list", "nodes", "list the nodes: guests, memory, load, versions", "node_list"),
    Command("info_guest", "info", "show everything about a guest", "info_guest"),
    Command("create_guest", "create", "create a guest on a virt-store", "create_guest"),
    Command("start_guest", "start", "start guests", "lifecycle"),
    Command("shutdown_guest", "shutdown", "ask guests to shut down, and wait until they have", "lifecycle"),
    Command("reboot_guest", "reboot", "ask guests to reboot", "lifecycle"),
    Command("stop_guest", "stop", "pull the plug of guests", "lifecycle"),
    Command("suspend_guest", "suspend", "pause guests; their memory stays", "lifecycle"),
    Command("resume_guest", "resume", "let paused guests run again", "lifecycle"),
    Command("migrate_guest", "migrate", "move guests to another node of their zone", "migrate_guest"),
    Command("tag_guest", "tag", "write tags, a title and a description on guests", "tag_guest"),
    Command("del_guest", "delete", "delete a guest; its images move to the trash", "del_guest"),
    Command(
        "add_disk_guest", "add-disk", "add a disk to guests, as they run and in their definition", "add_disk_guest"
    ),
    Command("remove_disk_guest", "remove-disk", "take a disk off a guest; its image stays", "remove_disk_guest"),
    Command("resize_disk_guest", "resize-disk", "make a guest's disk larger", "resize_disk_guest"),
    Command("image_list", "images", "list the images that guests can be made from", "image_list"),
    Command("image_add", "add-image", "add an image to the library, checked against its checksum", "image_add"),
    Command("define_guest", "define", "define a guest from its saved XML or a file", "define_guest"),
    Command("edit_guest", "edit", "change a guest's definition in an editor, or by settings", "edit_guest"),
    Command("save_guest", "save", "save guests' XML beside their images", "save_guest"),
    Command("undefine_guest", "undefine", "remove guests' definitions; all they need stays", "undefine_guest"),
    Command("history_guest", "history", "show a guest's earlier definitions, or restore one", "history_guest"),
    Command("console_guest", "console", "open a guest's screen or serial console", "console_guest"),
    Command("vme_virsh", "virsh", "run virsh on a guest's node, on your terminal", "vme_virsh"),
    Command("vme_nodes_run", "nodes run", "run a command on nodes", "nodes_run", verb_only=True),
    Command("vme_keys_generate", "keys generate", "make a key pair", "keys_generate", verb_only=True),
    Command("vme_keys_install", "keys install", "give a key a role on nodes", "keys_install", verb_only=True),
    Command("vme_keys_list", "keys list", "list which key has which role on which node", "keys_list", verb_only=True),
    Command("vme_keys_rotate", "keys rotate", "replace a key by a new one on its nodes", "keys_rotate", verb_only=True),
    Command("vme_keys_revoke", "keys revoke", "take a key off nodes", "keys_revoke", verb_only=True),
    Command(
        "vme_keys_scan", "keys scan", "collect host keys of nodes, showing fingerprints", "keys_scan", verb_only=True
    ),
    Command("vme_repair", "repair", "finish or undo what was left unfinished", "repair", verb_only=True),
    Command("vme_log", "log", "show what was done, by whom, to which guest and node", "log", verb_only=True),
    Command("vme_init", "init", "write a commented vme.toml", "init", verb_only=True),
    Command("disk_list", "disks", "list the disks of nodes and storage servers, and their md arrays", "disk_list"),
    Command("replace_disk", "replace-disk", "replace a disk of md arrays, step by step", "replace_disk"),
)

COMMANDS = {command.name: command for command in _TABLE}
VERBS = {command.verb: command for command in _TABLE}
