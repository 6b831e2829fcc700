"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# No deadline for an example: how long one takes says more about the machine's other work than about the code.
settings.register_profile("podwire", deadline=None)
settings.load_profile("podwire")

# Who runs this in the background may have these ignored, which programs inherit: tests send them to those they start.
for _ending, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_ending) is signal.SIG_IGN:
        signal.signal(_ending, _usual)
