"""The documentation site without Quarto: `python tests/docsite.py OUT` builds the site, by smalldocs, to be read offline.
`python tests/docsite.py README.md` writes the README from the index notebook, and its pictures from the tour.

nbdev processes the notebooks; Quarto would name a page by its `output-file`, smalldocs by its file, so the numbers are
taken off the processed notebooks and the links to them.
"""
import base64, json, re, shutil, subprocess, sys, tempfile
from pathlib import Path

import yaml
from project import ROOT

KATEX = re.compile(r'https://cdn\.jsdelivr\.net/npm/katex@[\d.]+/dist/')   # where smalldocs takes equations from
FONTS = re.compile(r'@import (?:url\()?"?https://fonts\.[^;]*(?:;[^;]*)*?display=swap"?\)?;')   # where its themes take fonts from
BADGE = re.compile(r'\[!\[([^\]]*)\]\(https://[^)]*\)\]')   # a picture from the network, inside a link
LINK = re.compile(r'(\]\()(?!https?://|#)([^)\s]+)(\))')   # a relative link of the index notebook, or a picture
NUMBERED = re.compile(r'\b\d\d_(?=\w+\.ipynb)')


def without_network(notebook):
    "A processed notebook, as text, without the front matter that only Quarto reads, and with words in place of badges"
    front = notebook['cells'][0]
    front['source'] = re.sub(r'^output-file:.*\n', '', ''.join(front['source']), flags=re.M)
    for cell in notebook['cells']:
        if cell['cell_type'] == 'markdown': cell['source'] = BADGE.sub(r'[\1]', ''.join(cell['source']))
    return json.dumps(notebook)

def without_quarto_keys(file):
    "The site's settings without what only Quarto can do: Markdown beside the pages"
    settings = yaml.safe_load(file.read_text(encoding='utf-8'))
    settings.pop('format-links', None)
    if 'format' in settings: settings['format'] = {'html': {k: v for k, v in settings['format']['html'].items() if k != 'keep-md'}}
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding='utf-8')

def process(folder):
    "Process the notebooks of a copy of the project in `folder`; gives the folder that smalldocs reads"
    ignore = shutil.ignore_patterns('_proc', '_docs', '.*', '__pycache__', 'grmp-iqa-demo*')
    project = Path(shutil.copytree(ROOT, Path(folder)/'project', ignore=ignore))
    code = 'from nbdev.serve import proc_nbs; proc_nbs(n_workers=1)'
    subprocess.run([sys.executable, '-c', code], cwd=project, check=True)
    pages = project/'_proc'
    for file in [*pages.rglob('*.ipynb'), *pages.glob('*.yml')]:
        text = NUMBERED.sub('', file.read_text(encoding='utf-8'))
        if file.suffix == '.ipynb': text = without_network(json.loads(text))
        file.write_text(text, encoding='utf-8')
        file = file.rename(file.with_name(NUMBERED.sub('', file.name)))
        if file.suffix == '.yml': without_quarto_keys(file)
    return pages

def smalldocs(pages, *args):
    "Run a command of smalldocs on processed notebooks; gives what it printed and its exit status"
    run = subprocess.run([Path(sys.executable).with_name('smalldocs'), *args], cwd=pages, capture_output=True, text=True)
    return run.stdout + run.stderr, run.returncode

def render(pages):
    "Make the site of processed notebooks, whose equations and fonts need no network; gives what smalldocs printed and its exit status"
    text, status = smalldocs(pages, 'render', '--strict')
    if status: return text, status
    shutil.copytree(ROOT/'nbs'/'katex', pages/'_docs'/'site_libs'/'katex')
    for theme in (pages/'_docs'/'site_libs').rglob('*.css'):
        theme.write_text(FONTS.sub('', theme.read_text(encoding='utf-8')), encoding='utf-8')
    for page in (pages/'_docs').rglob('*.html'):
        up = '../'*(len(page.relative_to(pages/'_docs').parts) - 1)
        page.write_text(KATEX.sub(f'{up}site_libs/katex/', page.read_text(encoding='utf-8')), encoding='utf-8')
    return text, status


def pictures():
    "The two pictures of the README, as bytes by file: figures that the tour holds, by the label of their cell"
    tour = json.loads((ROOT/'nbs'/'tour.ipynb').read_text(encoding='utf-8'))['cells']
    def figure(label):
        cell = next(o for o in tour if f'#| label: fig-{label}\n' in o['source'])
        return next(base64.b64decode(o['data']['image/png']) for o in cell['outputs'] if 'image/png' in o.get('data', {}))
    return {ROOT/'nbs'/'images'/f'{label}.png': figure(label) for label in ('method', 'result')}

def card():
    "What social networks show of a page: the title over the eight photographs, 1200 x 630"
    import matplotlib.pyplot as plt
    fig = plt.figure(figsize=(12, 6.3), dpi=100, facecolor='#12355b')
    fig.text(.06, .76, 'grmp_iqa', size=58, color='white', weight='bold')
    fig.text(.06, .62, 'Teach CLIP to score photographs from a handful of ratings.', size=24, color='#f2c879')
    ax = fig.add_axes((.04, .05, .92, .5))
    ax.imshow(plt.imread(ROOT/'nbs'/'images'/'result.png'))
    ax.axis('off')
    fig.savefig(ROOT/'nbs'/'images'/'card.png', metadata={'Software': None})

def readme():
    "The text of README.md: the index notebook, with its links as they are from the root"
    cells = json.loads((ROOT/'nbs'/'index.ipynb').read_text(encoding='utf-8'))['cells']
    return LINK.sub(r'\1nbs/\2\3', '\n\n'.join(''.join(o['source']) for o in cells)).replace('](nbs/../', '](') + '\n'


if __name__ == '__main__':
    out = Path(sys.argv[1] if len(sys.argv) > 1 else 'site').resolve()
    if sys.argv[1:] == ['README.md']:
        out.write_text(readme(), encoding='utf-8')
        for file, picture in pictures().items(): file.parent.mkdir(exist_ok=True); file.write_bytes(picture)
        card()
        sys.exit()
    if out.exists(): sys.exit(f'{out} is there already: name another folder, or remove it.')
    with tempfile.TemporaryDirectory() as tmp:
        pages = process(tmp)
        text, status = render(pages)
        print(text)
        if not status: shutil.copytree(pages/'_docs', out)
    sys.exit(status)
