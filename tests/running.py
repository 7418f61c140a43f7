"""Runs every notebook from top to bottom as a reader does: in JupyterLab in a browser, where there is one; else by nbdev's own
runner, and the chapters by `chapter.py`. Each has a kernel of its own, on one thread, and as many run at a time as there are cores.
"""
import json, os, subprocess, sys, tempfile, threading
from collections import deque
from concurrent.futures import Future
from functools import cache
from pathlib import Path

from browser import lab, missing
from chapter import MISTAKES, SKIPPED
from project import CHAPTERS, JOBS, NOTEBOOKS, ROOT, stem

#: what JupyterLab writes where a widget should be
NO_WIDGET = ('Error displaying widget', 'Error creating widget', 'Loading widget...')
SECONDS = 1200   # for one notebook: the machine may be busy


def prepared(notebook, out):
    "A notebook for JupyterLab: without the cells that nbdev's runner skips, and each check of a chapter is tried after its solution"
    nb, cells, before = json.loads(notebook.read_text(encoding='utf-8')), [], ''
    for cell in nb['cells']:
        text = ''.join(cell['source'])
        if cell['cell_type'] != 'code': cells.append(cell)
        elif not SKIPPED.search(text):
            cells.append(cell)
            if 'solution' in cell['metadata'].get('tags', []):
                call = (f"__import__('sys').path.append({str(ROOT/'tests')!r}); "
                        f"__import__('chapter').keep(globals(), {before!r}, {text!r}, {str(MISTAKES/notebook.stem)!r}, {str(out)!r})")
                cells.append(dict(cell_type='code', id=f'tried{len(cells)}', source=call, metadata={}, outputs=[], execution_count=None))
            before = text
    return nb | dict(cells=cells)

def run_in_lab(jupyter, notebook):
    "What went wrong on the page, or '', and what the checks of a chapter said"
    name, out = notebook.relative_to(ROOT/'nbs').as_posix(), jupyter.folder/f'{notebook.stem}.checks'
    (jupyter.folder/name).write_text(json.dumps(prepared(notebook, out)), encoding='utf-8')
    page, found = jupyter.open(name, run=False), []
    page.on('pageerror', lambda e: found.append(f'the page: {e}'))
    try:
        jupyter.command(page, 'notebook:run-all-cells', SECONDS)
        jupyter.idle(page, SECONDS)
        text = page.evaluate("[...document.querySelectorAll('.jp-OutputArea-output')].map(o => o.innerText).join('\\n')")
        found += jupyter.errors(page) + [o for o in NO_WIDGET if o in text]
        if os.environ.get('GRMP_IQA_SCREENSHOTS'): jupyter.screenshot(page, stem(notebook).replace('/', '-'))
    finally: jupyter.close(page)
    return '\n'.join(found), json.loads(out.read_text()) if out.exists() else []

def run_in_process(notebook):
    "The same without a browser"
    env, python = dict(os.environ, OMP_NUM_THREADS='1'), Path(sys.executable)
    if notebook not in CHAPTERS:
        command = [python.with_name('nbdev-test'), notebook.relative_to(ROOT), '--n-workers', '0', '--do-print']
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        return (done.stdout + done.stderr)[-6000:] if done.returncode else '', []
    with tempfile.TemporaryDirectory() as tmp:
        out = Path(tmp)/'report.json'
        command = [python, ROOT/'tests'/'chapter.py', notebook, MISTAKES/notebook.stem, out]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        if not out.exists(): return (done.stdout + done.stderr)[-6000:], []
        found = json.loads(out.read_text())
        return found['error'], found['checks']

def work(waiting, results):
    "Run what waits, one notebook after the other, in one browser"
    def each(run):
        while waiting:
            try: notebook = waiting.popleft()
            except IndexError: return   # another worker was faster
            try: results[notebook].set_result(run(notebook))
            except BaseException as e: results[notebook].set_result((f'{type(e).__name__}: {e}', []))
    if missing(): return each(run_in_process)
    with lab() as jupyter: each(lambda notebook: run_in_lab(jupyter, notebook))

@cache
def started():
    "notebook -> the future of (what went wrong or '', what its checks said); the longest files first"
    results = {o: Future() for o in sorted(NOTEBOOKS, key=lambda o: -o.stat().st_size)}
    waiting = deque(results)
    def worker():
        try: work(waiting, results)
        except BaseException as e:   # no server or no browser: nobody may wait for ever
            while waiting: results[waiting.popleft()].set_result((f'{type(e).__name__}: {e}', []))
    for _ in range(JOBS): threading.Thread(target=worker, daemon=True).start()
    return results
