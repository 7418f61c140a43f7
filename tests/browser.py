"""A real JupyterLab in a headless Chromium, to use notebooks as a person does.

    from browser import lab, missing, select_cell, screenshot
    pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or 'there is a browser')

    @pytest.fixture(scope='module')
    def jupyter():
        with lab() as jupyter: yield jupyter              # a server on a copy of nbs/, and one browser

    def test_it(jupyter):
        page = jupyter.open('use/52_widgets.ipynb')       # opened, all cells run, the kernel idle; Playwright's own `Page`
        page.get_by_role('slider', name='level').press('ArrowRight')
        jupyter.write('mine.ipynb', 'print(1)', '2 + 2')   # or a notebook of your own: one text a code cell
        page = jupyter.open('mine.ipynb', width=390)
        jupyter.idle(page); jupyter.errors(page); jupyter.screenshot(page, 'mine-390')

`jupyter.open` fails if a cell ends in an error (`fails=True` lets it). `jupyter.restart(page)` kills the kernel and starts
another, `jupyter.save(page)` saves. Screenshots go to $GRMP_IQA_SCREENSHOTS, or to a folder of their own.
"""
import importlib.util, json, os, secrets, shutil, socket, subprocess, sys, tempfile, time, urllib.request
from contextlib import contextmanager
from pathlib import Path

from project import ROOT

CHROMIUM = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chromium-browser') or ''
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
#: JupyterLab's settings: every cell is in the page, also those far below, and nothing asks for the network
SETTINGS = {'notebook-extension/tracker': dict(windowingMode='none'), 'apputils-extension/notification': dict(fetchNews='false', checkForUpdates=False)}
IN_LAB = 'window.jupyterapp.shell.currentWidget'


def missing():
    "What is missing here to drive a browser, or ''"
    for package in ('playwright', 'jupyterlab'):
        if importlib.util.find_spec(package) is None: return f'{package} is not installed (pip install -e ".[dev]")'
    return '' if CHROMIUM else 'there is no chromium (apt-get install chromium, or name one in $CHROMIUM)'

def free_port():
    "A port that nobody listens on"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

def wait_for(url, process, seconds=60):
    "Wait until a server answers; `RuntimeError` with its log if it ends or does not"
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try: return urllib.request.urlopen(url, timeout=5).read()
        except OSError: time.sleep(.2)
    raise RuntimeError(f'no server at {url}: {Path(process.log).read_text(errors="replace")[-3000:]}')

def environment(home):
    "Of a server that touches nothing outside `home`"
    own = {k: str(home/k.lower()) for k in ('JUPYTER_CONFIG_DIR', 'JUPYTER_DATA_DIR', 'JUPYTER_RUNTIME_DIR', 'IPYTHONDIR', 'MPLCONFIGDIR')}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    return os.environ | own | dict(PYTHONPATH=path, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')

@contextmanager
def started(command, home, **kwargs):
    "A process with its log in `home`; it and what it started end with the block"
    log = home/'log.txt'
    with log.open('w') as out:
        process = subprocess.Popen(command, env=environment(home), stdout=out, stderr=subprocess.STDOUT, start_new_session=True, **kwargs)
    process.log = log
    try: yield process
    finally:
        process.terminate()   # the server ends its kernels itself
        try: process.wait(15)
        except subprocess.TimeoutExpired: process.kill(); process.wait()

@contextmanager
def browser():
    "A headless Chromium, driven by Playwright"
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try: yield chromium
        finally: chromium.close()

def screenshot(page, name):
    "Keep what the page shows as NAME.png; gives the file"
    folder = Path(os.environ.get('GRMP_IQA_SCREENSHOTS') or Path(tempfile.gettempdir())/'grmp-iqa-screenshots')
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder/f'{name}.png')
    return folder/f'{name}.png'

#: what must hold of a page (WCAG 2, A and AA). Browsers of today let a keyboard scroll what is too wide, so that rule is left out.
WCAG = dict(resultTypes=['violations'], runOnly=['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], rules={'scrollable-region-focusable': dict(enabled=False)})

def faults(page, within='body'):
    "What axe-core finds wrong in a part of a page, contrast and names among it, as 'rule: element'"
    from axe_playwright_python.sync_playwright import Axe
    found = Axe().run(page, within, WCAG).response['violations']
    return sorted({f"{v['id']}: {o['html'][:100]} {(o['any'] or [{}])[0].get('message', '')}" for v in found for o in v['nodes']})


class Lab:
    "A running JupyterLab on `folder`, and a browser"
    def __init__(self, folder, url, token, chromium):
        self.folder, self.url, self.token, self.chromium, self.pages = folder, url, token, chromium, []

    screenshot = staticmethod(screenshot)

    def write(self, name, *cells, outputs=None):
        "Write a notebook with these code cells; `outputs` are those of the last"
        cell = lambda i, text: dict(cell_type='code', id=f'cell{i}', source=text, metadata={}, outputs=[], execution_count=None)
        made = [cell(i, text) for i, text in enumerate(cells)]
        if outputs: made[-1]['outputs'] = outputs
        spec = dict(kernelspec=dict(name='python3', display_name='python3', language='python'))
        (self.folder/name).write_text(json.dumps(dict(cells=made, metadata=spec, nbformat=4, nbformat_minor=5)))
        return name

    def open(self, name, run=True, width=1280, height=900, seconds=300, fails=False):
        "Open a notebook and run all its cells; gives Playwright's page, with the kernel idle. May cells end in an error?"
        page = self.chromium.new_page(viewport=dict(width=width, height=height))
        self.pages.append(page)
        page.on('dialog', lambda d: d.accept())   # "leave this page?"
        page.goto(f'{self.url}/doc/tree/{name}?token={self.token}&reset')
        page.wait_for_function(f'window.jupyterapp && {IN_LAB} && {IN_LAB}.context && {IN_LAB}.context.isReady && {IN_LAB}.revealed', timeout=60_000)
        page.evaluate(f'{IN_LAB}.revealed')
        if page.evaluate("!window.jupyterapp.shell.leftCollapsed"): self.command(page, 'application:toggle-left-area')
        self.idle(page, 60)
        if run:
            self.command(page, 'notebook:run-all-cells', seconds)
            self.idle(page, seconds)
            if not fails and (found := self.errors(page)): raise AssertionError(f'{name}: {found[0]}')
        return page

    def command(self, page, name, seconds=60, **args):
        "Run a command of JupyterLab by its name, and wait for its end"
        page.evaluate("([name, args]) => { window.commandDone = false; window.jupyterapp.commands.execute(name, args).then(() => { window.commandDone = true; }, "
                      "e => { window.commandDone = String(e); }); }", [name, args])
        page.wait_for_function('window.commandDone', timeout=1000*seconds)

    def idle(self, page, seconds=60):
        "Wait until the kernel has nothing to do, and the page has drawn what it sent"
        status = f'{IN_LAB}.sessionContext.session?.kernel?.status'
        end = time.monotonic() + seconds
        for _ in range(2):   # a message may be on its way when it is idle for the first time
            page.wait_for_function(f"{status} === 'idle'", timeout=max(1, 1000*(end - time.monotonic())))
            page.wait_for_timeout(150)

    def errors(self, page):
        "The errors that cells ended in, as 'Name: message'"
        return page.evaluate(f"""() => {IN_LAB}.context.model.toJSON().cells.flatMap(c => c.outputs || [])
            .filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)""")

    def restart(self, page):
        "Kill the kernel and start another, without a question"
        page.evaluate(f'{IN_LAB}.sessionContext.restartKernel()')
        self.idle(page)

    def save(self, page):
        "Save the notebook; gives it as it is on disk"
        name = page.evaluate(f'{IN_LAB}.context.path')
        self.command(page, 'docmanager:save')
        return json.loads((self.folder/name).read_text(encoding='utf-8'))

    def close(self, page):
        "Close a page and end its kernel"
        page.evaluate(f'{IN_LAB}.sessionContext.shutdown()')
        page.close()
        self.pages.remove(page)


@contextmanager
def lab():
    "JupyterLab on a copy of the notebooks, on 127.0.0.1 with a token, and a browser"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        home, port, token = Path(tmp), free_port(), secrets.token_hex(16)
        folder = Path(shutil.copytree(ROOT/'nbs', home/'nbs', ignore=shutil.ignore_patterns('_proc', '_docs', '.*')))
        shutil.copytree(ROOT/'tests', home/'tests', ignore=shutil.ignore_patterns('__pycache__'))   # notebooks make small databases with them
        for name, values in SETTINGS.items():
            file = home/'jupyter_config_dir'/'lab'/'user-settings'/'@jupyterlab'/f'{name}.jupyterlab-settings'
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        command = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--expose-app-in-browser', '--ServerApp.ip=127.0.0.1', f'--ServerApp.port={port}',
                   '--ServerApp.port_retries=0', f'--IdentityProvider.token={token}', f'--ServerApp.root_dir={folder}']
        if hasattr(os, 'geteuid') and not os.geteuid(): command.append('--allow-root')   # as in a container
        url = f'http://127.0.0.1:{port}'
        with started(command, home, cwd=home) as process, browser() as chromium:
            wait_for(f'{url}/api?token={token}', process)
            jupyter = Lab(folder, url, token, chromium)
            try: yield jupyter
            finally:
                for page in list(jupyter.pages): jupyter.close(page)
