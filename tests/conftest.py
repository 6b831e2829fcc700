"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# No deadline for an example: how long one takes says more about the machine's other work than about the code.
settings.register_profile("podwire", deadline=None)
settings.load_profile("podwire")

# Who runs this in the background may have Ctrl-C ignored, which programs inherit: tests send it to those they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
