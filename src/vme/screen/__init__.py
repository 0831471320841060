"""A guest's screen and serial line on this side: a display's socket, a web page for it, a raw terminal, a picture."""
