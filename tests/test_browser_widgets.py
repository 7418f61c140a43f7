"The widgets as a person uses them, in a real JupyterLab: by keyboard, at two widths, and from a saved notebook."
import re

import pytest
from browser import faults, lab, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or 'there is a browser')
LIVE = 'application/vnd.jupyter.widget-view+json'


@pytest.fixture(scope='module')
def jupyter():
    with lab() as jupyter: yield jupyter

@pytest.fixture(scope='module')
def page(jupyter):
    "The three instruments, each in a cell, and nothing else"
    name = jupyter.write('instruments.ipynb', 'from grmp_iqa.use.widgets import *', 'DistortionLab()', 'PromptPlayground()', 'GradientView()')
    return jupyter.open(name)

def said(page, words):
    "The sentence of the widget that says these words"
    return page.get_by_role('status').filter(has_text=words)

def slider(page, name): return page.get_by_role('slider', name=name, exact=True)   # by its name in the accessibility tree

def waits_for(page, text, seconds=60):
    "The sentence that matches a pattern, as soon as it is there"
    found = page.get_by_role('status').filter(has_text=re.compile(text))
    found.wait_for(timeout=1000*seconds)
    return found.inner_text()

def score(text): return re.search(r'scores ([\d.]+)', text)[1]


def test_a_level_is_moved_by_keyboard(jupyter, page):
    "Tab from the photograph to the level, an arrow, and score, image and curve are others"
    before = said(page, 'with jpeg at level 3').inner_text()
    image = page.get_by_alt_text('with jpeg at level 3').get_attribute('src')
    page.get_by_label('photograph', exact=True).focus()
    for key in ('Tab', 'Tab', 'ArrowRight'): page.keyboard.press(key)
    after = waits_for(page, 'with jpeg at level 4')
    assert score(after) != score(before)
    assert page.get_by_alt_text('with jpeg at level 4').get_attribute('src') != image
    page.get_by_label('distortion', exact=True).focus()
    page.keyboard.type('white')     # as in any menu of a page
    waits_for(page, 'with white_noise at level 4')
    page.get_by_alt_text(re.compile('against the level of white_noise.*at level 5')).wait_for()     # the rest of the curve came by itself
    jupyter.screenshot(page, 'distortion-lab')

def test_phrases_reorder_the_photographs(jupyter, page):
    order = lambda: page.locator('img[alt^="place "]').evaluate_all("found => found.map(o => o.alt.match(/photograph (\\d+)/)[1])")
    before = order()
    assert len(before) == len(set(before)) == 24
    page.get_by_label('wanted', exact=True).press('Control+a')
    for keys, press in (('dark photo', 'Enter'), ('', 'Tab'), ('', 'Control+a'), ('bright photo', 'Enter')):
        page.keyboard.type(keys)
        page.keyboard.press(press)
    text = waits_for(page, "by 'dark photo' against 'bright photo'")
    assert re.search(r'SRCC with their ratings: -?[\d.]+ \[-?[\d.]+, -?[\d.]+\]', text)
    after = order()
    assert after != before and sorted(after) == sorted(before)
    page.get_by_label('wanted', exact=True).scroll_into_view_if_needed()
    jupyter.screenshot(page, 'prompt-playground')

def test_a_mistake_is_a_sentence(jupyter, page):
    wanted = page.get_by_label('wanted', exact=True)
    wanted.fill('')
    wanted.press('Enter')
    waits_for(page, 'A phrase is empty: type a few words in both fields.')
    assert page.locator('img[alt^="place "]').count() == 24 and not jupyter.errors(page)
    wanted.fill('gremlins')
    wanted.press('Enter')
    waits_for(page, "tiny never read 'gremlins'")

def test_lambda_changes_what_is_removed(jupyter, page):
    before = said(page, 'Removed').inner_text()
    slider(page, 'λ').focus()
    for _ in range(4): page.keyboard.press('ArrowRight')
    assert '64%' in before and '129%' in waits_for(page, 'Removed: 129%')
    page.get_by_label('remove', exact=True).select_option('conflicting')
    waits_for(page, 'Removed: 0%')
    page.get_by_label('remove', exact=True).scroll_into_view_if_needed()
    jupyter.screenshot(page, 'gradient-view')

def test_an_arrow_is_dragged(jupyter, page):
    "The tip of the quality gradient is pulled from 50 to 100 degrees, and the sliders follow"
    image = page.get_by_alt_text('Arrows of two gradients')
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    at = lambda x, y: (box['x'] + box['width']*(.14 + .41*(x + .5)), box['y'] + box['height']*(.86 - .82*(y + .15)/1.57))   # of its axes
    page.mouse.move(*at(.643, .766))
    page.mouse.down()
    for x, y in ((.3, .9), (-.2, 1.)): page.mouse.move(*at(x, y))
    page.mouse.up()
    waits_for(page, 'Removed: 35%')     # conflicting, λ = 2: twice the cosine of 100 degrees
    assert slider(page, 'angle').input_value() == '100' and slider(page, '|quality|').input_value() == '1'

def test_every_control_has_a_name_and_can_be_read(page):
    assert [slider(page, name).count() for name in ('level', 'angle', '|quality|', '|scene|', 'λ')] == [1]*5
    assert faults(page, '.jp-OutputArea-output') == []

def test_every_image_has_words(page):
    images = page.locator('.jp-OutputArea-output img')
    assert images.count() == 3 + 24 + 1
    assert all(images.evaluate_all('found => found.map(o => o.alt.length > 10)'))

def test_fits_a_telephone(jupyter, page):
    "No image is wider than the page of 390 pixels"
    page.set_viewport_size(dict(width=390, height=844))
    try:
        page.wait_for_timeout(500)
        for name, words in (('distortion-lab', 'white_noise'), ('prompt-playground', 'photographs by'), ('gradient-view', 'Removed')):
            said(page, words).scroll_into_view_if_needed()
            jupyter.screenshot(page, f'{name}-390')
        right = page.locator('.jp-OutputArea-output img').evaluate_all('found => Math.max(...found.map(o => o.getBoundingClientRect().right))')
        assert right <= 390
    finally: page.set_viewport_size(dict(width=1280, height=900))

def test_a_saved_notebook_shows_images(jupyter, page):
    "What JupyterLab saves holds the live views; without them, and without a kernel, the images are there and no error is"
    from grmp_iqa.use.live import images_only
    data = [o['data'] for c in jupyter.save(page)['cells'] for o in c['outputs']]
    assert [LIVE in d and 'image/png' in d for d in data] == [True]*3
    copy = jupyter.folder/'published.ipynb'
    copy.write_bytes((jupyter.folder/'instruments.ipynb').read_bytes())
    assert images_only(copy) == [copy]
    saved = jupyter.open('published.ipynb', run=False)
    saved.locator('.jp-OutputArea-output img').nth(2).wait_for()
    assert saved.locator('.jp-OutputArea-output img').count() == 3 and not saved.locator('.jp-OutputArea-output').get_by_text('Error displaying widget').count()
    jupyter.screenshot(saved, 'published')
    jupyter.close(saved)

@pytest.mark.parametrize('name', ['use/47_live.ipynb', 'use/52_widgets.ipynb', 'use/69_board.ipynb'])
def test_our_pages_store_images_alone(jupyter, name):
    page = jupyter.open(name, run=False)
    page.locator('.jp-OutputArea-output img').first.wait_for()
    outputs = page.evaluate('window.jupyterapp.shell.currentWidget.context.model.toJSON().cells.flatMap(c => c.outputs || [])')
    assert not [o for o in outputs if LIVE in o.get('data', {})] and not page.locator('.jp-OutputArea-output').get_by_text('Error displaying widget').count()
    jupyter.close(page)

def test_the_board_grows_with_the_training(jupyter):
    "The live board says each epoch; at the end an image is in its place, in the page and in the file"
    train = 'learn.fine_tune(3, cbs=(board := TrainingBoard()))'
    setup = ('from grmp_iqa.learner import *\nfrom grmp_iqa.use.board import TrainingBoard',
             'table = IQADataLoaders.from_csv(*sample_photos()).table.iloc[:24]\nlearn = iqa_learner(IQADataLoaders.from_table(table, valid=.5))')
    page = jupyter.open(jupyter.write('training.ipynb', *setup))
    page.evaluate(f"""() => {{ const notebook = window.jupyterapp.shell.currentWidget.content; window.saidBy = new Set();
        new MutationObserver(() => document.querySelectorAll('[role=status]').forEach(o => window.saidBy.add(o.innerText)))
            .observe(document.body, {{childList: true, subtree: true}}); notebook.activeCellIndex = 1; }}""")
    jupyter.command(page, 'notebook:insert-cell-below')
    page.evaluate(f'window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource({train!r})')
    jupyter.command(page, 'notebook:run-cell', 300)
    jupyter.idle(page)
    heard = page.evaluate('[...window.saidBy]')
    assert [n for n in range(1, 5) if any(o.startswith(f'Epoch {n}: loss') for o in heard)] == [1, 2, 3, 4]
    assert not jupyter.errors(page)
    outputs = [o['data'] for o in jupyter.save(page)['cells'][2]['outputs'] if o['output_type'] == 'display_data']
    boards = [d for d in outputs if 'Epoch 4' in ''.join(d.get('text/plain', ''))]
    assert len(boards) == 1 and set(boards[0]) == {'image/png', 'text/plain'}
    jupyter.screenshot(page, 'training-board')
