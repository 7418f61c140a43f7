"What every notebook and every exported name owes its reader."
import ast, importlib, inspect, json, re, shutil, subprocess, sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest
from fastcore.docments import docments
from project import MODULES, NOTEBOOKS, ROOT, module_name, stem

every_notebook = pytest.mark.parametrize('notebook', NOTEBOOKS, ids=stem)


def cells(notebook, kind):
    "Cells of a `kind`, 'code' or 'markdown', each with its source as one string"
    nb = json.loads(notebook.read_text(encoding='utf-8'))
    return [{**o, 'source': ''.join(o['source'])} for o in nb['cells'] if o['cell_type'] == kind]

def exported(notebook): return [o['source'] for o in cells(notebook, 'code') if re.search(r'^#\|\s*export', o['source'], re.M)]


def texts(root):
    "Notebooks and what comes of them, by name"
    return {o.relative_to(root).as_posix(): o.read_text(encoding='utf-8')
            for folder in ('nbs', 'grmp_iqa') for o in (root/folder).rglob('*') if o.suffix in ('.ipynb', '.py', '.txt')}

@pytest.mark.parametrize('command', ['nbdev-export', 'nbdev-clean'])
def test_changes_nothing(command, tmp_path):
    ignore = shutil.ignore_patterns('_proc', '_docs', '.*', '__pycache__')
    project = Path(shutil.copytree(ROOT, tmp_path/'project', ignore=ignore))
    before = texts(project)
    subprocess.run([Path(sys.executable).with_name(command)], cwd=project, check=True)
    after = texts(project)
    assert [o for o in sorted({*before, *after}) if before.get(o) != after.get(o)] == []


@every_notebook
def test_opens_with_title_quote_and_why(notebook):
    "The title and its quote have a cell to themselves: nbdev takes that cell for front matter, and drops what else is in it"
    title, why = [o['source'] for o in cells(notebook, 'markdown')[:2]]
    assert re.fullmatch(r'# \S.*\n+> \S[^\n]*\s*', title) and len(why.split()) >= 25

@every_notebook
def test_no_long_line_is_exported(notebook):
    assert [o for source in exported(notebook) for o in source.splitlines() if len(o) > 120] == []

@every_notebook
def test_has_a_figure(notebook):
    "Drawn by its code, or, on a page of text, a file that is there"
    drawn = [o for c in cells(notebook, 'code') for o in c['outputs'] if {'image/png', 'image/jpeg', 'image/svg+xml'} & set(o.get('data', {}))]
    files = re.findall(r'!\[[^]]+\]\((\S+?)\)', ''.join(o['source'] for o in cells(notebook, 'markdown')))
    assert drawn or [o for o in files if (notebook.parent/o).is_file()]

@every_notebook
def test_figures_have_alt_text(notebook):
    def shown(c): return any({'image/png', 'image/jpeg', 'image/svg+xml'} & set(o.get('data', {})) for o in c['outputs'])
    assert [c['source'][:80] for c in cells(notebook, 'code') if shown(c) and not re.search(r'^#\|\s*fig-alt: \S', c['source'], re.M)] == []

@every_notebook
def test_was_run_from_top_to_bottom(notebook):
    "Every cell with code was run, so that what is shown is what the code gives"
    code = [c for c in cells(notebook, 'code') if c['source'].strip() and not re.match(r'#\|\s*default_exp', c['source'])]
    assert all(c['outputs'] or c['execution_count'] is not None or 'export' in c['source'] or not needs_output(c['source']) for c in code)

def needs_output(source):
    "Does a cell end by showing something? Its last statement is an expression that is not a check"
    try: last = ast.parse(re.sub(r'^[%!].*', '', source, flags=re.M)).body[-1:]
    except SyntaxError: return False
    if not last or not isinstance(last[0], ast.Expr) or source.rstrip().endswith(';'): return False
    return isinstance(last[0].value, (ast.Name, ast.Attribute, ast.Tuple, ast.Subscript))

@every_notebook
def test_leaves_the_package_alone(notebook):
    assert not [c for c in cells(notebook, 'code') if 'nbdev_export' in c['source'] or re.search(r'nb_export\(', c['source'])]

@every_notebook
def test_links_name_notebooks(notebook):
    "Relative links name the .ipynb, which Jupyter opens and the site rewrites; each is there"
    links = [l for c in cells(notebook, 'markdown') for l in re.findall(r'\]\(([^)\s]+)\)', re.sub(r'```.*?```', '', c['source'], flags=re.S))]
    bad = []
    for l in links:
        if re.match(r'https?://|#|mailto:', l):
            if 'grmp-iqa.github.io' in l: bad.append(l)
        elif not (notebook.parent/l.split('#')[0]).exists(): bad.append(l)
    assert bad == []

@every_notebook
def test_holds_no_error(notebook):
    assert not [o for c in cells(notebook, 'code') for o in c['outputs'] if o['output_type'] == 'error']

@every_notebook
def test_opens_with_a_kernel(notebook):
    "JupyterLab asks the reader which one to take where none is named"
    assert json.loads(notebook.read_text(encoding='utf-8'))['metadata']['kernelspec']['name'] == 'python3'

@every_notebook
def test_is_small(notebook): assert notebook.stat().st_size < 1_000_000

@every_notebook
def test_exported_cells_are_short(notebook):
    code = [[l for l in o.splitlines() if l.strip() and not l.startswith('#|')] for o in exported(notebook)]
    assert {o[0]: len(o) for o in code if len(o) > 30} == {}

@every_notebook
def test_exported_cells_run(notebook):
    assert not [o for o in exported(notebook) if re.search(r'^#\|\s*eval:\s*false', o, re.M)]

@every_notebook
def test_imports_stand_alone(notebook):
    "Building the docs runs exported cells and cells that import, so other code beside an import lacks what came before it (the cell that installs on Colab needs nothing)"
    is_import = lambda o: isinstance(o, (ast.Import, ast.ImportFrom))
    sources = {o['source'] for o in cells(notebook, 'code') if "'google.colab' in sys.modules" not in o['source']} - set(exported(notebook))
    trees = {o: ast.parse(re.sub(r'^[%!].*', '', o, flags=re.M)) for o in sources}
    assert not [o for o, tree in trees.items() if any(map(is_import, ast.walk(tree))) and not all(map(is_import, tree.body))]


def undocumented(obj):
    "What a function or class leaves unsaid: its docstring, or the meaning of a parameter"
    own_doc = obj.__doc__ and not obj.__doc__.startswith(f'{obj.__name__}(')  # a dataclass makes one of its signature
    if inspect.isclass(obj) and not is_dataclass(obj) and '__init__' not in vars(obj): params = {}
    else: params = docments(obj, returns=False, args_kwargs=True)
    options = {k for k, v in getattr(obj, '__annotations__', {}).items() if any(getattr(m, 'help', None) for m in getattr(v, '__metadata__', ()))}  # the command line says it in --help
    params = {k: v for k, v in params.items() if k not in options}
    return ([] if own_doc else ['docstring']) + [k for k, v in params.items() if not v and k != 'self']

def test_undocumented_sees_what_is_missing():
    def bare(a, b): return a
    def half(
        a, # a number
        b):
        "Has a docstring."
    class Full(ValueError):
        "Has a docstring and nothing else to say."
    assert [undocumented(o) for o in (bare, half, Full)] == [['docstring', 'a', 'b'], ['b'], []]

def methods(module):
    "Public methods written in a module, those that are patched into a class of another module too"
    classes = {c for o in MODULES for c in vars(importlib.import_module(f'grmp_iqa.{module_name(o)}')).values() if inspect.isclass(c) and c.__module__.startswith('grmp_iqa')}
    for c in classes:
        if c.__name__.startswith('_'): continue
        for name, fn in vars(c).items():
            fn = getattr(fn, '__func__', getattr(fn, 'fget', fn))
            if inspect.isfunction(fn) and fn.__module__ == module.__name__ and not name.startswith('_'): yield f'{c.__name__}.{name}', fn

#: methods whose meaning is fastai's, torch's or Python's: they are named by those who call them, and documented there
THEIRS = {'forward', 'encodes', 'decodes', 'before_fit', 'after_fit', 'after_loss', 'before_backward', 'before_step', 'after_cancel_fit', 'activation', 'train'}

@pytest.mark.parametrize('module', MODULES, ids=stem)
def test_every_exported_name_is_documented(module):
    mod = importlib.import_module(f'grmp_iqa.{module_name(module)}')
    own = [o for k in mod.__all__ if callable(o := getattr(mod, k)) and getattr(o, '__module__', None) == mod.__name__]
    found = {o.__name__: u for o in own if (u := undocumented(o))}
    found |= {name: u for name, fn in methods(mod) if name.split('.')[1] not in THEIRS and (u := undocumented(fn))}
    assert found == {}

@every_notebook
def test_no_live_view_is_stored(notebook):
    "Without a kernel it would be an error box; `grmp_iqa.use.live.images_only` takes it out, and the image stays"
    assert not [o for c in cells(notebook, 'code') for o in c['outputs'] if 'application/vnd.jupyter.widget-view+json' in o.get('data', {})]

@every_notebook
def test_parts_and_chapters_name_each_other(notebook):
    "A notebook that exports says which chapter needs it, and that chapter lists it"
    if not re.match(r'[0-9]{2}_', notebook.name): pytest.skip('exports nothing')
    named = re.search(r'^In the course: \[[^\]]+\]\(([^)]+)\)\.$', cells(notebook, 'markdown')[1]['source'], re.M)
    assert named, 'its introduction does not name a chapter'
    chapter = (notebook.parent/named[1]).resolve()
    assert f"](../{stem(notebook)}.ipynb)" in cells(chapter, 'markdown')[-1]['source'] + cells(chapter, 'markdown')[-2]['source']
