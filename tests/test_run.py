"""Every notebook runs from top to bottom, with no error on the page, as `running` says: in a browser where there is one.

`GRMP_IQA_TEST_JOBS` says how many run at a time; by default as many as there are cores.
"""
import pytest
from project import NOTEBOOKS, stem
from running import started

@pytest.mark.parametrize('notebook', NOTEBOOKS, ids=stem)
def test_runs(notebook):
    error, _ = started()[notebook].result()
    assert not error, error[-6000:]
