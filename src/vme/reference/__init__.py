"""Man pages and completion scripts, made from the tools' own arguments and their hand-written manuals."""
