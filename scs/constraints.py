"""The former place of `scs.problem.constraints`, kept for code that was written then."""

from scs.problem.constraints import *  # noqa: F403
