"The site as a reader meets it: on a telephone and on a desk, light and dark, with its search, and without a network."
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browser import faults, missing, screenshot

pytest.importorskip('smalldocs', reason='smalldocs builds the site, and needs Python 3.11')
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or 'there is a browser')

class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

@pytest.fixture(scope='module')
def served(site):
    "Address of the site, on this machine alone"
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()

@pytest.mark.parametrize('width', [390, 1280])
def test_every_page_fits_and_says_nothing_wrong(chromium, served, site, width):
    page, outside, wrong = chromium.new_page(viewport=dict(width=width, height=900)), [], []
    page.on('request', lambda r: outside.append(r.url) if not r.url.startswith((served, 'data:', 'blob:')) else None)
    page.on('pageerror', lambda e: wrong.append(f'{page.url}: {e}'))
    for file in sorted(site.rglob('*.html')):
        page.goto(f'{served}/{file.relative_to(site).as_posix()}')
        over = page.evaluate('document.documentElement.scrollWidth - innerWidth')
        if over > 1: wrong.append(f'{file.name}: {over} pixels too wide')
        if page.locator('.math').count() and not page.locator('.katex').count(): wrong.append(f'{file.name}: equations are not set')
        if page.locator('.katex-error').count(): wrong.append(f"{file.name}: {page.locator('.katex-error').first.inner_text()}")
        if page.locator('h1').count() and not page.locator('.minutes').count(): wrong.append(f'{file.name}: no minutes to read')
        if file.stem in ('index', 'ch05_meta', 'studio'): screenshot(page, f'site-{file.stem}-{width}')
    page.close()
    assert (wrong, sorted(set(outside))) == ([], [])

def test_from_the_index_through_the_course(chromium, served):
    "A student starts at the index and reaches the last chapter by the links at the foot of each page"
    page = chromium.new_page()
    page.goto(f'{served}/index.html')
    page.get_by_role('link', name='what image quality is').first.click()
    titles = [page.locator('h1').inner_text()]
    while not titles[-1].startswith('10.'):
        page.locator('.nav-page-next a').click()
        titles.append(page.locator('h1').inner_text())
        assert len(titles) <= 10, titles
    assert [t.split('.')[0] for t in titles] == [str(i) for i in range(1, 11)]
    page.close()

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('name', ['index', 'course/ch01_quality', 'use/studio', 'reproduce'])
def test_can_be_read_by_all(chromium, served, name, scheme):
    "Contrast, names and alternative texts, measured by axe-core"
    page = chromium.new_page(color_scheme=scheme)
    page.goto(f'{served}/{name}.html')
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == 'rgb(255, 255, 255)'
    assert light == (scheme == 'light') and faults(page) == []
    page.close()

def test_search_and_dark(chromium, served):
    page = chromium.new_page()
    page.goto(f'{served}/index.html')
    box = page.get_by_placeholder('Search').first
    box.fill('gradient')
    page.get_by_text('Gradients').first.wait_for()
    before = page.evaluate('getComputedStyle(document.body).backgroundColor')
    page.keyboard.press('Escape')
    page.get_by_role('button', name='dark').or_(page.locator('.quarto-color-scheme-toggle')).first.click()
    assert page.evaluate('getComputedStyle(document.body).backgroundColor') != before
    screenshot(page, 'site-dark')
    page.close()
