"""Readers return or raise `IQAError`, whatever bytes they are given: no other exception, no socket, bounded memory and time.

Good files are changed here and there by hypothesis, which prints what broke a reader, and the seed (`--hypothesis-seed`) that finds it again.
"""
import json

import pytest

pytest.importorskip('hypothesis')
from hypothesis import HealthCheck, given, settings, strategies as st

from fuzzing import CARD, READERS, seeds, tried

EXAMPLES = {'ratings': 250, 'card': 120, 'header': 250, 'checkpoint': 150, 'pickle': 400, 'mat': 400, 'sheet': 40, 'csv': 80, 'archive': 200}
quick = lambda name: settings(max_examples=EXAMPLES[name], deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))


@st.composite
def changed(draw, good):
    "A good file with a few bytes replaced, taken out, put in, or repeated, or cut off"
    data = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(['flip', 'number', 'cut', 'insert', 'repeat', 'end']))
        if what == 'flip' and at < len(data): data[at] = draw(st.integers(0, 255))
        elif what == 'number': data[at:at+4] = draw(st.sampled_from([b'\xff\xff\xff\xff', b'\xff\xff\xff\x7f', bytes(4), b'\0\0\0\x80', b'\1\0\0\0', b'9999']))
        elif what == 'cut': del data[at:at + draw(st.integers(1, 40))]
        elif what == 'insert': data[at:at] = draw(st.binary(max_size=12))
        elif what == 'repeat': data[at:at] = data[at:at + draw(st.integers(1, 60))]*draw(st.integers(1, 3))
        elif what == 'end' and draw(st.integers(0, 3)) == 0: del data[at:]
    return bytes(data)

@pytest.mark.parametrize('name', READERS)
def test_reader_returns_or_says_what_is_wrong(name):
    @quick(name)
    @given(changed(seeds(name)))
    def run(data): tried(name, data)
    run()

@pytest.mark.parametrize('name', READERS)
def test_good_files_are_read(name): assert all(tried(name, good) for good in seeds(name))


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)

def entries(card, path=()):
    "Where something stands in a card"
    for k, v in card.items():
        yield (*path, k)
        if isinstance(v, dict): yield from entries(v, (*path, k))

@settings(max_examples=120, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(list(entries(CARD))), json_values), min_size=1, max_size=3))
def test_card_with_any_values(changes):
    card = json.loads(json.dumps(CARD))
    for path, value in changes:
        at = card
        for k in path[:-1]:
            at = at.get(k) if isinstance(at, dict) else None
        if isinstance(at, dict): at[path[-1]] = value
    tried('card', json.dumps(card).encode())

@settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.floats(), st.integers(), st.text(max_size=4), st.booleans()))
def test_numbers_are_in_range_or_refused(value):
    from grmp_iqa.core import IQAError
    from grmp_iqa.data.schema import RANGES, check_numbers
    for name, (low, high, whole) in RANGES.items():
        try: check_numbers({name: value})
        except IQAError: continue
        assert type(value) in (int, float) and low <= value <= high and (not whole or value == int(value))
