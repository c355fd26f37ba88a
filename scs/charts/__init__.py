"""Charts of the book: one theme, stored so that pages draw them with no network."""

from scs.charts.theme import METHOD_COLOURS, PALETTE, enable, method_scale

__all__ = ["METHOD_COLOURS", "PALETTE", "enable", "method_scale"]
