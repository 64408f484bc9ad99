"""Waiting for something to become true, never for time to pass."""

import time

POLL_SECONDS = 0.02


class Deadline(AssertionError):
    """What was waited for did not happen in time."""


def wait_for(predicate, seconds, what):
    """Returns the first true value of predicate(); raises Deadline after so many seconds. `what` completes
    the sentence "waited for ..."; the last value that was not true is part of the message."""
    end = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise Deadline(f"waited {seconds} s for {what}; last seen: {value!r}")
        time.sleep(POLL_SECONDS)
