"""What the data sets are: title, authors, licence, files and addresses."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where a data set comes from and on what terms.

    Attributes
    ----------
    name : str
        The name used here: "student" or "mice".
    title, authors, year, doi : str, str, int, str
        As the UCI Machine Learning Repository asks to be cited.
    article : str
        The study that made the data.
    licence, licence_url : str
        Terms of use.
    page : str
        Address for a reader.
    download : str
        Address of the zip archive.
    files : tuple of str
        The files in that archive which hold the data.
    """

    name: str
    title: str
    authors: str
    year: int
    doi: str
    article: str
    licence: str
    licence_url: str
    page: str
    download: str
    files: tuple[str, ...]

    @property
    def uri(self) -> str:
        """Permanent address: the DOI as a link."""
        return f"https://doi.org/{self.doi}"

    @property
    def archive(self) -> str:
        """Name under which a browser saves the zip archive."""
        return self.download.rsplit("/", 1)[-1]

    @property
    def wanted(self) -> str:
        """The files in words; a workbook may also be there as the csv saved from it."""
        return " and ".join(
            f"{name} (or .csv)" if name.endswith(".xls") else name for name in self.files
        )

    @property
    def citation(self) -> str:
        """One line for a list of references."""
        return (
            f"{self.authors} ({self.year}). {self.title} [Dataset]. "
            f"UCI Machine Learning Repository. {self.uri}"
        )


SOURCES = {
    "student": Source(
        name="student",
        title="Student Performance",
        authors="Cortez, P.",
        year=2008,
        doi="10.24432/C5TG7T",
        article="Cortez, P. & Silva, A. (2008). Using data mining to predict secondary school "
        "student performance. FUBUTEC 2008, 5-12",
        licence="CC BY 4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0/",
        page="https://archive.ics.uci.edu/dataset/320/student+performance",
        download="https://archive.ics.uci.edu/static/public/320/student+performance.zip",
        files=("student-mat.csv", "student-por.csv"),
    ),
    "mice": Source(
        name="mice",
        title="Mice Protein Expression",
        authors="Higuera, C., Gardiner, K. & Cios, K.",
        year=2015,
        doi="10.24432/C50S3Z",
        article="Higuera, C., Gardiner, K. J. & Cios, K. J. (2015). Self-organizing feature maps "
        "identify proteins critical to learning in a mouse model of Down syndrome. "
        "PLoS ONE 10(6), e0129126",
        licence="CC BY 4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0/",
        page="https://archive.ics.uci.edu/dataset/342/mice+protein+expression",
        download="https://archive.ics.uci.edu/static/public/342/mice+protein+expression.zip",
        files=("Data_Cortex_Nuclear.xls",),
    ),
}

_announced: set[str] = set()


def source(name: str) -> Source:
    """Return what is known about a data set: title, authors, licence, citation and addresses.

    Parameters
    ----------
    name : str
        "student" or "mice".

    Returns
    -------
    Source
        Frozen; ``.citation`` is the line to print.

    Raises
    ------
    ValueError
        If there is no data set of that name; the message lists the names.
    """
    if name not in SOURCES:
        raise ValueError(f"name {name!r} is no data set; use one of {', '.join(SOURCES)}")
    return SOURCES[name]


def announce(source: Source) -> None:
    """Print source, licence and citation to stderr, once per process and data set."""
    if source.name in _announced:
        return
    _announced.add(source.name)
    print(
        f"Data: {source.citation}\n"
        f"      Licence {source.licence} ({source.licence_url}); cite the study too:\n"
        f"      {source.article}.",
        file=sys.stderr,
    )
