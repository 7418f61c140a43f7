"""Each check of a chapter speaks: right answers pass, none waits kindly, and mistakes are named.

A chapter runs once (`running`), and its checks are tried as soon as their solutions have run.
"""
import ast, json, re, subprocess, sys

import pytest
from grmp_iqa.use.exercises import BEGIN, END, hand_out
from chapter import MISTAKES, mistakes_in
from project import CHAPTERS, ROOT
from running import started

SHOWN = {'image/png', 'image/jpeg', 'image/svg+xml'}
every_chapter = pytest.mark.parametrize('chapter', CHAPTERS, ids=lambda o: o.stem)


# --- what a chapter holds

def cells(notebook):
    "Cells of a notebook, each with its source as one string and its tags"
    nb = json.loads(notebook.read_text(encoding='utf-8'))
    return [{**o, 'source': ''.join(o['source']), 'tags': o['metadata'].get('tags', [])} for o in nb['cells']]

def numbers(notebook): return [int(n) for c in cells(notebook) if 'check' in c['tags'] for n in re.findall(r'^@exercise\((\d+)', c['source'], re.M)]

def mistakes(notebook):
    "{number: [(what was done wrong, source, words of the message)]}"
    return mistakes_in(MISTAKES/notebook.stem)

every_exercise = pytest.mark.parametrize('chapter, number', [pytest.param(o, n, id=f'{o.stem}-{n}') for o in CHAPTERS for n in numbers(o)])

@every_chapter
def test_says_how_to_open_it_elsewhere(chapter):
    text = '\n'.join(c['source'] for c in cells(chapter))
    assert f'(https://colab.research.google.com/github/grmp-iqa/grmp_iqa/blob/main/nbs/course/{chapter.name})' in text
    assert "'google.colab' in sys.modules" in text and 'git+https://github.com/grmp-iqa/grmp_iqa' in text

@every_chapter
def test_title_has_the_number_of_the_file(chapter):
    assert cells(chapter)[0]['source'].startswith(f'# {int(chapter.name[2:4])}. ')

@every_chapter
def test_has_three_to_six_exercises(chapter):
    assert numbers(chapter) == list(range(1, len(numbers(chapter)) + 1)) and 3 <= len(numbers(chapter)) <= 6

@every_exercise
def test_exercise_is_task_check_answer_solution(chapter, number):
    found = cells(chapter)
    at = next(i for i, c in enumerate(found) if 'check' in c['tags'] and f'@exercise({number},' in c['source'])
    task, check, answer, solution = found[at-1:at+3]
    assert re.search(rf'^### Exercise {number}: \S.*\n+\*Difficulty [★☆]{{3}}, \d+ minutes?\.\*', task['source'], re.M)
    assert check['source'].startswith('#| code-fold: true') and f'def check_{number}(' in check['source']
    assert answer['cell_type'] == 'code' and not answer['tags'] and '...' in answer['source']
    lines = solution['source'].rstrip().splitlines()
    assert solution['tags'] == ['solution'] and lines[:2] == ['#| code-fold: true', BEGIN] and lines[-2] == END
    assert lines[-1] == answer['source'].rstrip().splitlines()[-1] and lines[-1].startswith(f'check_{number}(')
    assert all(c['metadata'].get('jupyter', {}).get('source_hidden') for c in (check, solution))

@every_chapter
def test_closes_with_questions_and_further_reading(chapter):
    found = cells(chapter)
    titles = [line for c in found if c['cell_type'] == 'markdown' for line in c['source'].splitlines() if line.startswith('## ')]
    assert titles[-2:] == ['## Questions', '## Further reading']
    calls = [o for c in found if c['source'].startswith('quiz(') for o in ast.walk(ast.parse(c['source'])) if isinstance(o, ast.Call) and getattr(o.func, 'id', '') == 'quiz']
    assert len(calls) == 1 and 4 <= len(calls[0].args[0].elts) <= 6

@every_chapter
def test_every_section_has_a_picture(chapter):
    sections = {}
    for c in cells(chapter):
        for line in c['source'].splitlines() if c['cell_type'] == 'markdown' else []:
            if line.startswith('## '): sections[line] = []
        if sections: sections[list(sections)[-1]].append(c)
    def pictured(part): return any(SHOWN & set(o.get('data', {})) for c in part for o in c.get('outputs', [])) or any('![' in c['source'] for c in part)
    assert [t for t, part in sections.items() if t not in ('## Questions', '## Further reading') and not pictured(part)] == []

@every_chapter
def test_class_gets_every_check_and_no_solution(chapter, tmp_path):
    whole, students = hand_out(chapter, tmp_path/'teacher', solutions=True)[0], hand_out(chapter, tmp_path/'class')[0]
    text = students.read_text(encoding='utf-8')
    assert BEGIN not in text and END not in text and numbers(students) == numbers(whole)
    kept, gone = [c['source'] for c in cells(students)], [c['source'] for c in cells(whole) if c['tags'] == ['solution']]
    assert gone and not set(gone) & set(kept) and len(kept) == len(cells(whole)) - len(gone)

def bound(tree):
    "Names that a cell gives a value, parameters of its functions included"
    names = {o.id for o in ast.walk(tree) if isinstance(o, ast.Name) and isinstance(o.ctx, ast.Store)}
    return names | {o.arg for o in ast.walk(tree) if isinstance(o, ast.arg)} | {o.name for o in tree.body if isinstance(o, (ast.FunctionDef, ast.ClassDef))}

@every_chapter
def test_goes_on_without_an_answer(chapter):
    "In the version without solutions, no later cell uses what an exercise asks for"
    asked, used = set(), []
    for c in [c for c in cells(chapter) if c['cell_type'] == 'code' and 'check' not in c['tags']]:
        tree = ast.parse(c['source'])
        if 'solution' in c['tags']: asked |= {o.id for a in tree.body[-1].value.args for o in ast.walk(a) if isinstance(o, ast.Name)} & bound(tree)
        elif not re.search(r'^check_\d+\(.*\Z', c['source'], re.M):
            used += [(o.id, c['source'][:60]) for o in ast.walk(tree) if isinstance(o, ast.Name) and o.id in asked - bound(tree)]
            asked -= bound(tree)
    assert used == []


# --- what a chapter does

@pytest.fixture(scope='session')
def report():
    "chapter -> what its checks said"
    return lambda chapter: started()[chapter].result()[1]

def check_of(report, chapter, number):
    found = [o for o in report(chapter) if o['number'] == number]
    assert found, 'the chapter did not get there: see test_run'
    return found[0]

@every_exercise
def test_solution_passes(chapter, number, report):
    found = check_of(report, chapter, number)['solution']
    assert [message for passed, message in found if not passed] == []

@every_exercise
def test_nothing_waits(chapter, number, report):
    found = check_of(report, chapter, number)['nothing']
    assert [message for passed, message in found if passed or 'waits for your answer' not in message] == []

@every_exercise
def test_two_mistakes_are_named(chapter, number, report):
    expected, found = mistakes(chapter).get(number, []), check_of(report, chapter, number)['mistakes']
    assert len(expected) >= 2 and len(found) == len(expected)
    for (what, _, words), tries in zip(expected, found):
        assert [(what, words, message) for passed, message in tries if passed or words not in message] == []

@pytest.mark.parametrize('chapter', sorted(MISTAKES.glob('*.py')), ids=lambda o: o.stem)
def test_mistakes_belong_to_a_chapter(chapter): assert (ROOT/'nbs'/'course'/f'{chapter.stem}.ipynb').exists()


# --- the tests themselves

def test_report_sees_what_is_wrong(tmp_path):
    "A chapter whose check passes all, and that ends in an error, is found out"
    def code(source, *tags): return dict(cell_type='code', source=source, metadata=dict(tags=list(tags)), outputs=[], execution_count=None, id=f'c{len(source)}')
    made = [code('from grmp_iqa.use.exercises import exercise'), code("@exercise(1, hint='')\ndef check_1(f, rng): f(0)", 'check'),
            code('def f(x): ...\ncheck_1(f)'), code('def f(x): return 1\ncheck_1(f)', 'solution'), code('1/0')]
    chapter, wrong, out = (tmp_path/o for o in ('ch01_made.ipynb', 'wrong.py', 'report.json'))
    chapter.write_text(json.dumps(dict(cells=made, metadata={}, nbformat=4, nbformat_minor=5)))
    wrong.write_text("MISTAKES = {1: [('is zero', 'def answer(x): return 0', 'zero'), ('stops', 'def answer(x): return x.a', 'AttributeError')]}")
    subprocess.run([sys.executable, ROOT/'tests'/'chapter.py', chapter, wrong, out], check=True, capture_output=True)
    found = json.loads(out.read_text())
    (check,) = found['checks']
    assert 'ZeroDivisionError' in found['error'] and all(passed for passed, _ in check['solution'] + check['mistakes'][0])
    assert len(check['nothing']) == 4 and all('waits' in message for _, message in check['nothing'])
    assert all(not passed and 'AttributeError' in message for passed, message in check['mistakes'][1])
