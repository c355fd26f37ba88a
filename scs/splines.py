"""The former place of `scs.problem.splines`, kept for code that was written then."""

from scs.problem.splines import *  # noqa: F403
