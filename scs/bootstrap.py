"""The former place of `scs.inference.bootstrap`, kept for code that was written then."""

from scs.inference.bootstrap import *  # noqa: F403
