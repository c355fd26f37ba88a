"""Charts and tables of the book: one look, stored so that pages show them with no network."""

from scs.book.charts.tables import table
from scs.report.theme import METHOD_COLOURS, PALETTE, enable, method_scale

__all__ = ["METHOD_COLOURS", "PALETTE", "enable", "method_scale", "table"]
