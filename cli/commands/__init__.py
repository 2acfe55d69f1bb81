"""One file per command of `mows`, each with a click command named `command`. Imported when called."""
