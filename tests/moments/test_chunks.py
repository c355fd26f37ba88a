"""Chunks must have the same columns in the same order: sums of others would be a silent mixture."""

import numpy as np
import pandas as pd
import pytest

from scs import Moments


def chunk(columns, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal(size=(6, len(columns))), columns=columns)


@pytest.mark.parametrize("columns", [["b", "a"], ["a", "c"], ["a"], ["a", "b", "c"]])
@pytest.mark.parametrize("where", [1, 2])
def test_a_chunk_with_other_columns_is_refused_by_its_number(columns, where):
    y, clusters = np.arange(6.0), ["x", "y", "z"] * 2
    chunks = [(chunk(["a", "b"], seed=i), y, clusters) for i in range(3)]
    chunks[where] = (chunk(columns), y, clusters)
    with pytest.raises(ValueError, match=rf"chunk {where}"):
        Moments.from_chunks(chunks)


def test_arrays_of_other_widths_are_refused():
    y, clusters = np.arange(6.0), ["x", "y", "z"] * 2
    with pytest.raises(ValueError, match="chunk 1"):
        Moments.from_chunks([(np.ones((6, 2)), y, clusters), (np.ones((6, 3)), y, clusters)])
