"A practitioner's way in one go: from the first page to ratings, to a scorer, to a report, and to scores in somebody else's folder."
import importlib.metadata, importlib.util, os, re, shlex, shutil, signal, subprocess, sys
from pathlib import Path

import pandas as pd, pytest
from browser import faults, missing, screenshot
from grmp_iqa.data.samples import sample_photos
from project import ROOT
from test_browser_studio import BUSY, press, said, shown

pytestmark = pytest.mark.skipif(bool(missing()) or importlib.util.find_spec('voila') is None, reason=missing() or 'voila is not installed (pip install -e ".[app]")')
pytest.importorskip('smalldocs', reason='smalldocs builds the site, and needs Python 3.11')


@pytest.fixture
def home(tmp_path):
    "A folder with `photos` to rate, and `new_photos`"
    files = sorted(sample_photos()[0].glob('*.jpg'))
    for name, some in (('photos', files[:28]), ('new_photos', files[28:34])):
        (tmp_path/name).mkdir()
        for f in some: shutil.copy(f, tmp_path/name)
    return tmp_path

def command(home, *words, **kwargs):
    "A command as a person gives it in `home`, by the installed program"
    assert words[0] == 'grmp-iqa'
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    program = Path(sys.executable).with_name('grmp-iqa')
    return subprocess.Popen([program, *words[1:]], cwd=home, env=os.environ | dict(PYTHONPATH=path, OMP_NUM_THREADS='1', PYTHONUNBUFFERED='1'), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)

def ran(home, *words):
    "What a command printed; it must succeed"
    process = command(home, *words)
    text = process.communicate(timeout=300)[0]
    assert process.returncode == 0, text
    return text

def saved(page, button):
    "Press a button that saves, and give what the page says then"
    page.get_by_role('button', name=button).press('Enter')
    page.wait_for_function(f"document.querySelector('.gs-message').textContent.startsWith('Saved') && {BUSY}", timeout=120_000)
    return said(page, 'message')


def test_from_the_first_page_to_a_shared_scorer(chromium, site, home):
    page = chromium.new_page(viewport=dict(width=1280, height=900))
    page.goto((site/'index.html').as_uri())
    shown_here = page.locator('main').inner_text()
    assert 'grmp-iqa app photos' in shown_here
    extras = set(re.findall(r'pip install "?\.\[(\w+)\]', shown_here))
    assert 'app' in extras <= set(importlib.metadata.metadata('grmp_iqa').get_all('Provides-Extra'))
    page.get_by_text('grmp-iqa app photos').first.scroll_into_view_if_needed()
    screenshot(page, 'walk-1-index')
    later = {line.split()[1]: shlex.split(line, comments=True) for line in shown_here.splitlines() if re.match(r'grmp-iqa (score|report) new_photos', line)}

    app = command(home, 'grmp-iqa', 'app', 'photos', start_new_session=True)
    try:
        url = next(m[0] for line in app.stdout if (m := re.search(r'http://127.0.0.1:\S+', line)))
        page.goto(url, wait_until='commit', timeout=60_000)
        page.locator('.grmp-studio').wait_for(timeout=300_000)
        page.wait_for_function("document.activeElement.className == 'grmp-studio'")
        assert said(page, 'progress') == '0 of 28 photographs rated. How good is this one?'
        screenshot(page, 'walk-2-first-question')
        opinion = pd.read_csv(sample_photos()[1]).set_index('image').mos
        for _ in range(22): press(page, str(1 + round(4*opinion[shown(page).split()[1].strip(',')])))
        screenshot(page, 'walk-3-rated')
        page.wait_for_function("document.querySelector('.gs-learning').textContent.includes('was fine-tuned')", timeout=300_000)
        page.locator('.grmp-studio summary').press('Enter')
        page.locator('.grmp-studio li img').first.wait_for(timeout=60_000)
        assert re.search(r': \d\.\d \[\d\.\d, \d\.\d\]', page.locator('.grmp-studio li').first.inner_text())
        assert 'agrees with yours to SRCC' in said(page, 'trust')
        page.screenshot(path=screenshot(page, 'walk-4-ranked'), full_page=True)
        next_of = {name: saved(page, name) for name in ('Save ratings (CSV)', 'Save scorer', 'Save report')}
        page.screenshot(path=screenshot(page, 'walk-5-saved'), full_page=True)
        page.goto(f'file://{home}/photos/studio-report.html')   # the page said: open it in a browser
        assert faults(page) == []
    finally:
        app.send_signal(signal.SIGINT)
        closed = app.communicate(timeout=60)[0]
    assert 'the same command goes on with them' in closed and 'Traceback' not in closed

    adapt = shlex.split(re.search(r'grmp-iqa adapt .*', next_of['Save ratings (CSV)'])[0])   # as the page says
    learned = ran(home, *adapt, '--epochs', '1', '--folds', '2')
    assert 'Read 20 photographs' in learned and 'Cross-validated' in learned and (home/'my_scorer'/'card.json').exists()
    assert 'report.html' in ran(home, *later['report'])   # as the first page says
    page.goto((home/'report.html').as_uri())
    assert page.locator('table.sortable tbody tr').count() == 6
    screenshot(page, 'walk-6-report')

    friend = home/'friend'
    shutil.copytree(home/'new_photos', friend/'album')
    shutil.move(home/'photos'/'studio-scorer', friend/'scorer')
    shutil.rmtree(home/'photos')   # nothing of the first machine is needed
    share = shlex.split(re.search(r'grmp-iqa score .*', next_of['Save scorer'])[0])
    share[2:5] = ['album', '--scorer', 'scorer']
    assert '6 scored' in ran(friend, *share, '--out', 'scores.csv')
    table = pd.read_csv(friend/'scores.csv')
    assert len(table) == 6 and table.predicted.between(1, 5).all() and later['score'][2] == 'new_photos'
    page.close()
