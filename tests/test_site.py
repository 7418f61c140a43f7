"The site that readers see: what nbdev makes of the notebooks, built by smalldocs, which needs no Quarto."
import html, json, re

import pytest

pytest.importorskip('smalldocs', reason='smalldocs builds the site, and needs Python 3.11')
from docsite import smalldocs
from project import NOTEBOOKS, ROOT, stem

NUMBER = re.compile(r'\b[0-9]{2}_')   # of a notebook; its page has none

def page_of(site, notebook): return (site/f"{NUMBER.sub('', stem(notebook))}.html").read_text(encoding='utf-8')
def plain(text):
    "Words without markup, and with plain quotation marks"
    text = html.unescape(text).translate(str.maketrans('’‘“”', '\'\'""'))
    return ' '.join(re.sub(r'[`*_$\\]|\]\([^)]*\)|[\[\]!]|<[^>]+>', '', text).split())

every_notebook = pytest.mark.parametrize('notebook', NOTEBOOKS, ids=stem)


def test_no_link_is_broken_and_no_key_unknown(pages):
    text, status = smalldocs(pages, 'check')
    assert status == 0, text

@every_notebook
def test_keeps_its_introduction(notebook, site):
    "The first paragraph after the title is on the page; a title cell that holds more than title and quote would lose it"
    cells = [''.join(o['source']) for o in json.loads(notebook.read_text(encoding='utf-8'))['cells'] if o['cell_type'] == 'markdown']
    paragraphs = re.split(r'\n\s*\n|\n```|\n\$\$|\n- ', cells[1].strip())
    first = next(o for o in (re.sub(r'\$[^$]*\$', '', o) for o in paragraphs) if len(plain(o).split()) >= 5 and not o.startswith('[!['))
    words = plain(first).split()[:12]
    assert len(words) >= 5 and ' '.join(words[:6]) in plain(page_of(site, notebook))

@every_notebook
def test_has_title_description_and_neighbours(notebook, site):
    page = page_of(site, notebook)
    assert re.search(r'<title>[^<]{3,}</title>', page) and re.search(r'<meta name="description" content="[^"]{20,}"', page)
    ends = 1 if stem(notebook) in ('index', '90_cli') else 2   # the first page has no previous one, the last no next one
    assert len(re.findall(r'<a [^>]*class="pagination-link"', page)) == ends

@every_notebook
def test_every_figure_says_what_it_shows(notebook, site):
    images = re.findall(r'<img\b[^>]*>', page_of(site, notebook))
    assert [o[:120] for o in images if not re.search(r'alt="[^"]{10,}"', o) and 'data:image/svg' not in o
            and not re.search(r'src="data:image/jpeg[^>]* alt="([^"]+"|" aria-hidden="true")', o)] == []   # thumbnails: the file's name, or beside it

@pytest.mark.parametrize('name', ['from_csv', 'from_df', 'iqa_learner', 'fine_tune', 'save_scorer', 'score_folder', 'show_results'])
def test_what_users_meet_first_has_an_api_entry(name, site):
    "A heading to link to, and a signature with types and what each parameter is"
    page = page_of(site, ROOT/'nbs'/('data/26_loaders.ipynb' if name.startswith('from_') else '36_learner.ipynb'))
    entry = re.search(rf'<h\d id="[^"]*{name}".*?</pre>', page, re.S)
    assert entry and '<span class="co"># ' in entry[0] and 'def</span>' in entry[0]

@every_notebook
def test_signatures_name_real_classes(notebook, site): assert re.findall(r'__main__\.[A-Z]\w*', page_of(site, notebook)) == []

@every_notebook
def test_reads_without_a_network(notebook, site):
    "No script, style or picture comes from elsewhere; links may lead there"
    page = page_of(site, notebook)
    assert re.findall(r'<(?:script|img|iframe)[^>]* src="(https?:[^"]*)"|<link[^>]*rel="(?:stylesheet|icon)"[^>]* href="(https?:[^"]*)"', page) == []

@every_notebook
def test_has_a_social_card_and_a_mark(notebook, site):
    page = page_of(site, notebook)
    assert re.search(r'property="og:image" content="https://[^"]*/images/card.png"', page) and 'name="twitter:card" content="summary_large_image"' in page
    assert re.search(r'<img src="[^"]*images/logo.svg" alt="A photograph', page) and re.search(r'<link[^>]*rel="icon"', page)
    assert 'minutes to read' in page   # the script that counts them
