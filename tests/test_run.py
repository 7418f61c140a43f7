"""Every notebook runs from top to bottom, each in a process of its own, so that no one's memory adds to another's; the chapters in test_course.

As many run at a time as there are cores (`GRMP_IQA_TEST_JOBS` says otherwise), each on one thread.
"""
import os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from project import CHAPTERS, JOBS, NOTEBOOKS, ROOT, stem

RUN = [o for o in NOTEBOOKS if o not in CHAPTERS]


def run(notebook):
    "Exit status and output of nbdev's own runner on one notebook"
    command = [Path(sys.executable).with_name('nbdev-test'), notebook.relative_to(ROOT), '--n-workers', '0', '--do-print']
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ, OMP_NUM_THREADS='1'), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr

@cache
def started():
    "These notebooks on their way, the longest files first"
    pool = ThreadPoolExecutor(JOBS)
    return {o: pool.submit(run, o) for o in sorted(RUN, key=lambda o: -o.stat().st_size)}

@pytest.mark.parametrize('notebook', RUN, ids=stem)
def test_runs(notebook):
    status, output = started()[notebook].result()
    assert status == 0, output[-6000:]
