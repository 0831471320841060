"""Finishing or undoing what a tool left unfinished: a module a tool, each with remedy(ground) -> Remedy."""
