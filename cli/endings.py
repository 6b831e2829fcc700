"""Ends of a command from outside: whoever ends it gets what Ctrl-C gets, and nothing stays half done."""

from __future__ import annotations

import signal

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def as_ctrl_c() -> None:
    """`kill` and the end of the terminal interrupt this command as Ctrl-C does, unless nohup has it go on."""
    for ending in ENDINGS:
        if signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, signal.default_int_handler)
