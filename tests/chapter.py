"""Run a chapter once, and put answers to each of its checks: `python tests/chapter.py CHAPTER MISTAKES REPORT`, without a browser;
with one, `running` calls `keep` after each solution.

The report (JSON) holds the error that the chapter ended in, if any, and what each check said to the solution, to nothing
and to the mistakes. The answers are put right after the chapter's own solution, with the names it has there.
"""
import ast, contextlib, io, json, os, re, runpy, sys, traceback
from pathlib import Path

from execnb.shell import CaptureShell
from fastcore.nbio import read_nb

SEEDS = range(5)
MISTAKES = Path(__file__).parent/'mistakes'
SKIPPED = re.compile(r'^#\|\s*(eval:\s*false|notest|slow|cuda)', re.M)


def split_call(source):
    "Number of the exercise, what comes before the call of its check at the end of a cell, and what the check is given"
    *before, last = ast.parse(source).body
    call = last.value
    compiled = compile(ast.Module(before, []), '<cell>', 'exec')
    return int(call.func.id.removeprefix('check_')), compiled, compile(ast.Expression(call.args[0]), '<answer>', 'eval')

def said(check, answer, seed=0):
    "Did it pass, and the message, as if this were the first try"
    check.tries = 0
    verdict = check(answer, seed=seed)
    return bool(verdict), verdict.message

def answered(space, stub, solution, mistakes):
    "What a check says to the solution, to an untouched exercise and to mistakes, in the chapter's own names"
    number, before, given = split_call(solution)
    check, right, untouched = space[f'check_{number}'], eval(given, space), dict(space)
    _, before, given = split_call(stub)
    exec(before, untouched)
    nothing = [None, ..., eval(given, untouched)]
    if callable(right) and not isinstance(right, type): nothing.append(lambda *args, **kwargs: None)
    wrong = []
    for _, source, _ in mistakes.get(number, []):
        names = dict(space)
        exec(source, names)
        wrong.append([said(check, names['answer'], s) for s in SEEDS])
    return dict(number=number, solution=[said(check, right, s) for s in SEEDS], nothing=[said(check, o) for o in nothing], mistakes=wrong)

def mistakes_in(file):
    "{number: [(what was done wrong, source, words of the message)]}; the file's suffix may be left out"
    file = Path(file).with_suffix('.py')
    return runpy.run_path(file)['MISTAKES'] if file.exists() else {}

def keep(space, stub, solution, mistakes, out):
    "Add to a file what a check says; for use inside a chapter"
    out = Path(out)
    before = json.loads(out.read_text()) if out.exists() else []
    out.write_text(json.dumps([*before, answered(space, stub, solution, mistakes_in(mistakes))]))

def report(chapter, mistakes):
    "Run a chapter from top to bottom; each check is tried as soon as its solution has run"
    nb, found, last = read_nb(chapter), [], {}
    shell = CaptureShell(chapter, mpl_format='png')
    def after(cell):
        if cell.cell_type != 'code': return
        if 'solution' in cell.metadata.get('tags', []) and not shell.exc:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                found.append(answered(shell.user_ns, last['stub'], cell.source, mistakes))
        last['stub'] = cell.source
    os.environ['IN_TEST'] = '1'
    os.chdir(Path(chapter).parent)
    try: shell.run_all(nb, exc_stop=True, preproc=lambda o: o.cell_type == 'code' and bool(SKIPPED.search(o.source)), postproc=after)
    except Exception: return dict(error=shell.prettytb(fname=chapter) if shell.exc else traceback.format_exc(), checks=found)
    return dict(error='', checks=found)

if __name__ == '__main__':
    chapter, mistakes, out = map(os.path.abspath, sys.argv[1:])
    found = report(Path(chapter), mistakes_in(mistakes))
    Path(out).write_text(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)   # the shell's thread would keep the process
