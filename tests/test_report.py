"A report in a browser: it sorts by mouse and by keyboard, loads nothing, and fits a telephone, light and dark."
import json, shutil

import pandas as pd, pytest
from grmp_iqa.data.distortions import distort
from grmp_iqa.data.images import open_image
from grmp_iqa.data.samples import sample_photos
from grmp_iqa.evidence.pages import SORT, page_faults
from grmp_iqa.use.report import report
from browser import faults

@pytest.fixture(scope='module')
def page(tmp_path_factory):
    "A report on nine photographs with ratings, one of them twice, one unreadable"
    work, (folder, csv) = tmp_path_factory.mktemp('report'), sample_photos()
    rated = pd.read_csv(csv)[:9]
    (work/'photos').mkdir()
    for f in rated.image: shutil.copy(folder/f, work/'photos'/f)
    distort(open_image(folder/rated.image[0]), 'jpeg', 2, seed=0).save(work/'photos'/'<again> & "twice".png')
    (work/'photos'/'broken.jpg').write_bytes(b'?')
    return report(work/'photos', 'tiny', work/'report.html', rated, as_json=True, scale=(0, 1))

def test_page_and_data_say_the_same(page):
    data = json.loads(page.with_suffix('.json').read_text(encoding='utf-8'))
    assert page_faults(page, SORT) == [] and page_faults(page) == ['<script']
    assert [len(data[k]) for k in ('photos', 'unreadable', 'near_duplicates')] == [10, 1, 1]
    assert data['scorer']['versions']['grmp_iqa'] == data['version'] and str(page.parent) not in json.dumps(data)
    assert str(page.parent) not in page.read_text(encoding='utf-8')

def numbers(tab, column):
    "What a column shows, from top to bottom, without its empty cells"
    cells = tab.locator('table.sortable tbody tr').evaluate_all('(rows, k) => rows.map(r => r.cells[k].textContent.trim())', column)
    return [float(c) for c in cells if c], cells[-1]

def test_sorts_by_keyboard_and_mouse(page, chromium):
    tab, faults = chromium.new_page(), []
    tab.on('console', lambda m: faults.append(m.text))
    tab.on('pageerror', lambda e: faults.append(str(e)))
    tab.on('request', lambda r: None if r.url.startswith(('file:', 'data:')) else faults.append(r.url))
    tab.goto(page.as_uri())
    heads = tab.locator('table.sortable thead th')
    column = heads.all_inner_texts().index(next(h for h in heads.all_inner_texts() if h.startswith('Rated')))
    tab.get_by_role('button', name='Rated').focus()
    for key, order in (('Enter', 'ascending'), ('Space', 'descending')):
        tab.keyboard.press(key)
        found, last = numbers(tab, column)
        assert len(found) == 9 and found == sorted(found, reverse=order == 'descending') and last == ''   # the copy has no rating
        assert [h.get_attribute('aria-sort') for h in heads.all()].count(order) == 1
        assert heads.nth(column).get_attribute('aria-sort') == order
    tab.get_by_role('button', name='Photograph').click()
    assert tab.locator('#sorted').inner_text() == 'Sorted by Photograph, from A to Z.'
    assert tab.locator('tbody th[scope=row]', has_text='<again> & "twice".png').count() == 1 and faults == []

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1280, 390])
def test_fits_the_screen_and_can_be_read(page, chromium, width, scheme):
    tab = chromium.new_page(viewport=dict(width=width, height=800), color_scheme=scheme)
    tab.goto(page.as_uri())
    assert tab.evaluate('document.documentElement.scrollWidth <= innerWidth')
    assert faults(tab) == []
