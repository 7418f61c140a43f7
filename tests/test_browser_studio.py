"The studio in a real browser, by keyboard alone: nothing is lost to a reload or a killed kernel, and the app opens no file."
import importlib.util, json, shutil, urllib.error, urllib.request

import pytest
from grmp_iqa.evidence.pages import SORT, page_faults
from browser import faults, lab, missing, screenshot
from grmp_iqa.data.samples import sample_photos
from grmp_iqa.use.app import start_app, stop_app

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or 'there is a browser')
ALT = "document.querySelector('.grmp-studio .gs-stage')?.innerHTML"
BUSY = "document.querySelector('.grmp-studio').getAttribute('aria-busy') != 'true'"


def some_photos(folder, n):
    "A folder with the first photographs that ship"
    folder.mkdir()
    for f in sorted(sample_photos()[0].iterdir())[:n]: shutil.copy(f, folder)
    return folder

def lines(folder, do):
    "What the log holds of one kind"
    rows = [json.loads(l) for l in (folder/'ratings.jsonl').read_text(encoding='utf-8').splitlines()]
    return [r for r in rows if r['do'] == do]

def press(page, key):
    "Press a key in the studio, and wait until the question has changed"
    before = page.evaluate(ALT)
    page.keyboard.press(key)
    page.wait_for_function(f'before => {ALT} != before && {BUSY}', arg=before, timeout=40_000)

def said(page, part): return page.locator(f'.grmp-studio .gs-{part}').inner_text()

def shown(page): return page.locator('.grmp-studio .gs-stage img').get_attribute('alt')


@pytest.fixture(scope='module')
def jupyter():
    with lab() as jupyter: yield jupyter

def test_twenty_five_by_keyboard(jupyter):
    "Rate, undo, skip, compare; reload the page in the middle, kill the kernel in the middle"
    folder = some_photos(jupyter.folder/'photos', 40)
    jupyter.write('rate.ipynb', "from grmp_iqa.use.studio import RatingStudio\nstudio = RatingStudio('photos', device='cpu', adapt_after=20, epochs=1)\nstudio",
                  "print(studio.session.process is not None or studio.session.tuned is not None)")
    page = jupyter.open('rate.ipynb')
    page.locator('.grmp-studio').focus()
    for i in range(9): press(page, str(1 + i % 5))
    first = shown(page)
    press(page, '2'); press(page, 'Backspace')
    assert shown(page) == first and said(page, 'progress').startswith('8 of 40')   # the ninth was a repeat
    press(page, ' '); assert shown(page) != first
    jupyter.screenshot(page, 'studio-lab-1280')

    jupyter.save(page)   # the widget is where the saved notebook says
    question = shown(page)
    page.reload()
    page.locator('.grmp-studio').wait_for(timeout=60_000)
    assert shown(page) == question and said(page, 'progress').startswith('8 of 40')
    page.locator('.grmp-studio').focus()
    for i in range(8): press(page, str(1 + i % 5))

    before = len(lines(folder, 'rate'))
    page.evaluate('window.jupyterapp.shell.currentWidget.sessionContext.shutdown()')   # killed, without a word
    page.wait_for_timeout(1000)
    page.keyboard.press('3')
    page.wait_for_timeout(500)
    assert len(lines(folder, 'rate')) == before == 18
    page = jupyter.open('rate.ipynb')
    assert shown(page) == f"Photograph {lines(folder, 'rate')[-1]['next'][0]}, to be rated"
    page.locator('.grmp-studio').focus()
    for i in range(8): press(page, str(1 + i % 5))
    assert len(lines(folder, 'rate')) == 26 and len(lines(folder, 'undo')) == 1

    press(page, 'p'); assert page.locator('.grmp-studio .gs-choice').count() == 2
    press(page, 'ArrowLeft'); assert len(lines(folder, 'pair')) == 1
    page.set_viewport_size(dict(width=390, height=844)); jupyter.screenshot(page, 'studio-lab-pairs-390')
    page.set_viewport_size(dict(width=1280, height=900)); press(page, 'p')
    types = page.evaluate('window.jupyterapp.shell.currentWidget.context.model.toJSON().cells.map(c => c.cell_type)')
    assert types == ['code', 'code']      # the keys of JupyterLab, of which 1 makes a heading, stayed away
    page.wait_for_function("document.querySelector('.grmp-studio').innerText.includes('fine-tun')", timeout=120_000)   # it learns in the background ...
    press(page, '4')                      # ... and goes on reacting
    page.wait_for_function("document.querySelector('.gs-learning').textContent.includes('was fine-tuned')", timeout=240_000)
    page.get_by_role('button', name='Save report').press('Enter')
    page.wait_for_function("document.querySelector('.gs-message').textContent.includes('studio-report.html')", timeout=240_000)
    assert page_faults(folder/'studio-report.html', SORT) == []
    jupyter.close(page)

def test_every_control_by_keyboard(jupyter):
    "The Tab key reaches slider, buttons and ranking; each has a name, and the focus can be seen"
    folder = some_photos(jupyter.folder/'few', 16)
    jupyter.write('few.ipynb', "from grmp_iqa.use.studio import RatingStudio\nRatingStudio('few', device='cpu')")
    page = jupyter.open('few.ipynb')
    studio = page.locator('.grmp-studio')
    studio.focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == 'solid'
    for i in range(12): press(page, str(1 + i % 5))
    page.wait_for_function("!document.querySelector('.gs-learning').textContent.includes('Looking')", timeout=120_000)
    slider = page.get_by_role('slider', name='Rating, finer')
    slider.focus(); page.keyboard.press('ArrowRight'); press(page, 'Enter')
    assert lines(folder, 'rate')[-1]['rating'] == 3.1
    reached = []
    studio.focus()
    for _ in range(16):
        page.keyboard.press('Tab')
        reached.append(page.evaluate("document.activeElement.closest('.grmp-studio') && (document.activeElement.ariaLabel || document.activeElement.innerText)"))
    for name in ('1 Bad', '5 Excellent', 'Rating, finer', 'Rate', 'Undo (⌫)', 'Skip (space)', 'Compare two (p)', 'The others, ranked by your taste', 'Save ratings (CSV)', 'Save scorer'):
        assert name in reached, reached
    studio.locator('summary').focus(); page.keyboard.press('Enter')
    page.locator('.grmp-studio li img').first.wait_for(timeout=60_000)
    page.get_by_role('button', name='Save ratings (CSV)').press('Enter')
    page.wait_for_function(f"document.querySelector('.gs-message').textContent.includes('studio-ratings.csv') && {BUSY}", timeout=30_000)
    assert (folder/'studio-ratings.csv').read_text().startswith('image,rating')
    page.get_by_role('button', name='Save scorer').press('Enter')
    page.wait_for_function("document.querySelector('.gs-message').textContent.includes('no scorer yet')", timeout=30_000)
    jupyter.screenshot(page, 'studio-lab-ranking-1280')
    assert faults(page, '.grmp-studio') == []
    jupyter.close(page)

def test_a_stored_notebook_shows_an_image(jupyter):
    "Where no kernel runs there is an image and no error"
    page = jupyter.open('use/67_studio.ipynb', run=False)
    page.locator('.jp-OutputArea-output img').first.wait_for(timeout=60_000)
    assert page.get_by_text('Error displaying').count() == 0
    jupyter.close(page)


needs_voila = pytest.mark.skipif(importlib.util.find_spec('voila') is None, reason='voila is not installed (pip install -e ".[app]")')

@needs_voila
def test_the_app(jupyter, tmp_path):
    "The page of its own: a token is needed, keys rate, a reload goes on, nothing comes from elsewhere, a phone's width is enough"
    folder = some_photos(tmp_path/'photos', 14)
    (tmp_path/'work').mkdir()
    process, url = start_app(tmp_path/'work', folder, device='cpu')
    try:
        page = jupyter.chromium.new_page(viewport=dict(width=1280, height=900))
        answered = []
        page.on('response', lambda r: answered.append(r.url))
        page.goto(url.split('?')[0], wait_until='commit', timeout=60_000)
        page.wait_for_load_state(timeout=60_000)
        assert '/login' in page.url and page.locator('.grmp-studio').count() == 0
        page.goto(url, wait_until='commit', timeout=60_000)
        page.locator('.grmp-studio').wait_for(timeout=300_000)
        page.wait_for_function("document.activeElement.className == 'grmp-studio'")   # ready for the first key
        for i in range(12): press(page, str(1 + i % 5))
        page.wait_for_function("!document.querySelector('.gs-learning').textContent.includes('Looking')", timeout=120_000)
        page.locator('.grmp-studio summary').press('Enter')
        page.locator('.grmp-studio li').first.wait_for(timeout=60_000)
        screenshot(page, 'app-1280')
        assert faults(page) == []
        question = shown(page)
        page.reload(wait_until='commit')
        page.wait_for_timeout(500)
        page.locator('.grmp-studio').wait_for(timeout=300_000)
        assert shown(page) == question and len(lines(folder, 'rate')) == 12
        page.set_viewport_size(dict(width=390, height=844))
        assert page.evaluate('document.documentElement.scrollWidth') <= 390
        press(page, '5'); press(page, 'Backspace')
        screenshot(page, 'app-390')
        assert [u for u in answered if not u.startswith((url.split('?')[0], 'blob:', 'data:'))] == []
        cookies = page.context.cookies()
        for name in ('voila/files/photos/' + shown(page).split()[1].strip(','), 'voila/files/..%2Fphotos', 'voila/files/voila.json'):
            request = urllib.request.Request(url.split('?')[0] + name, headers={'Cookie': '; '.join(f"{c['name']}={c['value']}" for c in cookies)})
            with pytest.raises(urllib.error.HTTPError) as e: urllib.request.urlopen(request, timeout=30)
            assert e.value.code in (403, 404)
        page.close()
    finally: stop_app(process)
