"Some 450 files that lie, explode or want to run something: each is refused in one sentence, or loads and does no harm. `-s` prints the table."
import json, subprocess, sys

import pytest

from malicious import CASES, table
from project import ROOT


@pytest.fixture(scope='module')
def results():
    "One process tries them all, with sockets that raise and a bound on its memory; what it printed"
    run = subprocess.run([sys.executable, str(ROOT/'tests'/'malicious.py'), '--json'], capture_output=True, text=True, timeout=900)
    found = {f['name']: f for f in map(json.loads, run.stdout.splitlines())}
    assert set(CASES) <= set(found), f'it ended early: {run.stderr[-2000:]}'
    print('\n' + table([found[n] for n in CASES]).to_string(index=False))
    return found

@pytest.mark.parametrize('name', CASES)
def test_is_refused_in_one_sentence_or_harmless(results, name):
    f = results[name]
    assert f['outcome'] == 'refused' or f['outcome'] == 'loaded' and f['expected'], f['said']
    assert not f['ran'] and not f['sockets']
    assert f['megabytes'] < 300

def test_transformers_stay_out(results): assert results['transformers imported']['outcome'] == 'refused'
