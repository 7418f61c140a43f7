"The command line as it is installed: exit statuses, one sentence for every mistake, and nothing half-written."
import json, os, shutil, subprocess, sys
from pathlib import Path

import pandas as pd, pytest, torch
from typer.main import get_command
from typer.testing import CliRunner

from grmp_iqa.cli import load_app, main
from grmp_iqa.data.samples import sample_photos
from project import CHAPTERS, ROOT

COMMAND = Path(sys.executable).with_name('grmp-iqa')


def rated_folder(folder, step, n):
    "A folder of photographs that ship, from the worst to the best, with their ratings and scenes"
    shipped, ratings = sample_photos()
    folder.mkdir()
    table = pd.read_csv(ratings).sort_values('mos').iloc[::step][:n].reset_index(drop=True)
    for i, name in enumerate(table.image): shutil.copy(shipped/name, folder/f'{i}.jpg')
    table.assign(image=[f'{i}.jpg' for i in table.index])[['image', 'mos', 'scene']].to_csv(folder/'ratings.csv', index=False)
    return folder

@pytest.fixture
def photos(tmp_path):
    "Twelve rated photographs"
    return rated_folder(tmp_path/'photos', 16, 12)


def call(monkeypatch, capsys, *args):
    "Exit status and stderr of a command, run in this process"
    monkeypatch.setattr(sys, 'argv', ['grmp-iqa', *map(str, args)])
    try: main()
    except SystemExit as e: return e.code or 0, capsys.readouterr().err
    return 0, capsys.readouterr().err


def test_the_installed_command(photos):
    run = lambda *args: subprocess.run([COMMAND, *args], capture_output=True, text=True)
    scored = run('score', photos/'0.jpg', photos/'1.jpg')
    assert scored.stdout.startswith('image,score,warning,error') and len(scored.stdout.splitlines()) == 3
    assert scored.stderr == '2 scored, 0 failed, 0 skipped\n'   # no bar where nobody looks
    assert all(f'  {command}  ' in run('--help').stdout for command in ('demo', 'pretrain', 'import-prompts', 'adapt', 'score', 'explain', 'report', 'app', 'course', 'train-backbone', 'bench', 'study', 'push', 'export-onnx'))
    failed = run('score', photos/'missing.jpg')
    assert failed.returncode == 2 and 'missing.jpg' in failed.stderr and 'Traceback' not in failed.stderr


@pytest.mark.parametrize('flag, first', [('--higher-is-better', 'higher'), ('--lower-is-better', 'lower')])
def test_direction_of_a_dmos_can_be_said(photos, tmp_path, flag, first):
    table = pd.read_csv(photos/'ratings.csv').rename(columns=dict(mos='dmos'))
    table.to_csv(photos/'dmos.csv', index=False)
    command = [COMMAND, 'adapt', photos, 'dmos.csv', '--out', tmp_path/'s', '--epochs', '1', '--folds', '0']
    assert '--higher-is-better' in subprocess.run(command, capture_output=True, text=True).stderr
    assert f'{first} is better' in subprocess.run([*command, flag], capture_output=True, text=True).stderr

def test_adapt_says_what_it_read_and_how_good_it_is(photos, tmp_path):
    table = pd.read_csv(photos/'ratings.csv').rename(columns=dict(image='foto', mos='note'))
    table.insert(0, 'id', range(1, 13))
    table.to_csv(photos/'noten.csv', index=False)
    ran = subprocess.run([COMMAND, 'adapt', photos, 'noten.csv', '--out', tmp_path/'s', '--epochs', '1', '--folds', '2'], capture_output=True, text=True)
    assert "12 photographs, column 'note' as the score, 0 to 1" in ran.stderr and 'give --scale if' in ran.stderr
    assert 'Cross-validated on 12 photographs' in ran.stdout and 'bias' in ran.stdout and 'epoch' not in ran.stderr
    assert json.loads((tmp_path/'s'/'card.json').read_text(encoding='utf-8'))['about']['folds'] == 2
    scores = subprocess.run([COMMAND, 'score', photos, '--scorer', tmp_path/'s'], capture_output=True, text=True).stdout
    assert scores.startswith('image,score,predicted,low,high,warning,error')

def test_class_and_teacher_get_their_chapters(tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, capsys, 'course', ROOT/'nbs'/'course', '--out', tmp_path/'class')[0] == 0
    assert {o.name for o in (tmp_path/'class').iterdir()} == {o.name for o in CHAPTERS}
    assert not any('BEGIN SOLUTION' in o.read_text(encoding='utf-8') for o in (tmp_path/'class').iterdir())
    assert call(monkeypatch, capsys, 'course', ROOT/'nbs'/'course', '--out', tmp_path/'class')[0] == 0   # the same again changes nothing
    status, err = call(monkeypatch, capsys, 'course', ROOT/'nbs'/'course', '--out', tmp_path/'class', '--solutions')
    assert status == 2 and 'is there already' in err

def test_report_of_a_folder(photos, tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, capsys, 'report', photos, '--out', tmp_path/'r.html', '--ratings', photos/'ratings.csv', '--json')[0] == 0
    assert 'SRCC' in (tmp_path/'r.html').read_text(encoding='utf-8') and (tmp_path/'r.json').exists()
    (tmp_path/'other.html').write_text('mine')
    status, err = call(monkeypatch, capsys, 'report', photos, '--out', tmp_path/'other.html')
    assert status == 2 and 'other.html' in err and (tmp_path/'other.html').read_text() == 'mine'


def test_adapt_then_score(photos, monkeypatch, capsys):
    scorer, table = photos.parent/'scorer', photos.parent/'scores.csv'
    assert call(monkeypatch, capsys, 'adapt', photos, 'ratings.csv', '--out', scorer, '--epochs', 1)[0] == 0
    (photos/'torn.jpg').write_bytes((photos/'0.jpg').read_bytes()[:300])
    assert call(monkeypatch, capsys, 'score', photos, '--scorer', scorer, '--out', table)[0] == 3
    scores = pd.read_csv(table)
    assert len(scores) == 13 and scores.score.isna().sum() == 1
    assert 'torn.jpg' in scores[scores.score.isna()].error.item()


def lines(**changes):
    "Ratings with one thing wrong"
    rows = {f'{i}.jpg': str(1 + i % 5) for i in range(12)} | changes.get('rows', {})
    return '\n'.join(['image,mos', *(f'{k},{v}' for k, v in rows.items()), *changes.get('more', [])])

MISTAKES = {
    'missing photograph': (lines(rows={'99.jpg': '3'}), '99.jpg'),
    'no score': (lines(rows={'3.jpg': ''}), '3.jpg'),
    'no number': (lines(rows={'3.jpg': 'good'}), 'good'),
    'constant score': ('image,mos\n0.jpg,3\n1.jpg,3\n2.jpg,3', '3'),
    'name twice': (lines(more=['3.jpg,2']), '3.jpg'),
    'empty file': ('', 'ratings.csv')}

@pytest.mark.parametrize('mistake', MISTAKES)
def test_ratings_that_cannot_be_used(mistake, photos, monkeypatch, capsys):
    text, named = MISTAKES[mistake]
    (photos/'ratings.csv').write_text(text)
    status, err = call(monkeypatch, capsys, 'adapt', photos, 'ratings.csv', '--out', photos.parent/'scorer')
    assert status == 2 and named in err and err.strip().count('\n') == 0
    assert not (photos.parent/'scorer').exists()


@pytest.mark.parametrize('args, named', [
    (['adapt', 'PHOTOS', 'ratings.csv', '--rule', 'agreeing'], 'aligned'),
    (['adapt', 'PHOTOS', 'ratings.csv', '--backbone', 'tinny'], 'tiny'),
    (['adapt', 'PHOTOS', 'ratings.csv', '--prompts', 'PHOTOS/0.jpg'], '0.jpg'),
    (['adapt', 'PHOTOS', 'ratings.csv', '--out', 'PHOTOS'], 'not a scorer'),
    (['demo', '--photos', 'PHOTOS', '--ratings', 'ratings.csv', '--out', 'OUT'], '50'),
    (['demo', '--out', 'PHOTOS'], 'not the folder of such a run'),
    (['demo', '--photos', 'PHOTOS'], 'go together'),
    (['demo', '--drawn', '--photos', 'PHOTOS', '--ratings', 'ratings.csv', '--out', 'OUT'], '--drawn'),
    (['demo', '--drawn', '--out', 'PHOTOS'], 'not the folder of such a run'),
    (['bench', 'tiny', '--photos', 'PHOTOS'], 'go together'),
    (['bench', 'tiny', '--pristine', 'PHOTOS/nowhere'], 'nowhere'),
    (['bench', 'tinny'], 'tiny'),
    (['train-backbone', '--out', 'PHOTOS'], 'another folder'),
    (['pretrain', '--variant', 'papre', '--out', 'OUT'], 'paper'),
    (['pretrain', '--references', 'OUT', '--out', 'OUT'], 'OUT'),
    (['score', 'PHOTOS', '--scorer', 'OUT'], 'scorer'),
    (['score', 'PHOTOS', '--device', 'abacus'], 'abacus'),
    (['score', 'PHOTOS', '--batch-size', '0'], 'batch-size')])
def test_mistakes_on_the_command_line(args, named, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    out, before = photos.parent/'OUT', sorted(photos.iterdir())
    args = [a.replace('PHOTOS', str(photos)).replace('OUT', str(out)) for a in args]
    status, err = call(monkeypatch, capsys, *args)
    assert status == 2 and named in err and 'Traceback' not in err
    if err.startswith('grmp-iqa:'): assert err.strip().count('\n') == 0
    assert not out.exists() and sorted(photos.iterdir()) == before and not list(tmp_path.glob('.*'))


# --- starting

HEAVY = ('torch', 'pandas', 'scipy', 'matplotlib', 'fastai', 'open_clip', 'torchvision', 'IPython', 'PIL')

def fresh(code, *args, **kwargs):
    "A fresh Python that runs `code`"
    return subprocess.run([sys.executable, '-c', code, *map(str, args)], capture_output=True, text=True, **kwargs)

def test_help_imports_nothing_heavy():
    commands = list(get_command(load_app()).commands)
    told = fresh(f"""
import contextlib, io, sys
from grmp_iqa.cli import load_app
load_app()
from grmp_iqa.use.console import run
with contextlib.redirect_stdout(io.StringIO()):
    for args in [['--help'], ['--version'], *[[c, '--help'] for c in sys.argv[1:]]]: assert run(args) == 0
print([m for m in {HEAVY} if m in sys.modules])
""", *commands)
    assert told.stdout == '[]\n', told.stderr

def test_scoring_imports_what_scores(photos):
    told = fresh("""
import sys
from grmp_iqa.use.console import run
from grmp_iqa.cli import load_app
load_app()
run(['score', *sys.argv[1:]])
print([m for m in ('torch._dynamo', 'transformers', 'timm', 'fastai', 'matplotlib', 'kornia', 'sklearn', 'scipy.stats', 'IPython') if m in sys.modules])
""", photos/'0.jpg', '--quiet')
    assert told.stdout.splitlines()[-1] == '[]' and told.stderr == ''


# --- what is said, and where

def typed(*args, **kwargs):
    "A command, run in this process"
    return CliRunner().invoke(load_app(), [str(a) for a in args], prog_name='grmp-iqa', **kwargs)

def test_a_list_on_stdin_as_json(photos):
    (photos/'torn.jpg').write_bytes((photos/'0.jpg').read_bytes()[:300])
    ran = typed('score', photos/'5.jpg', '-', '--json', '--quiet', input=f"{photos/'0.jpg'}\n\n{photos/'torn.jpg'}\0{photos/'3.jpg'}\n")
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.exit_code == 3 and ran.stderr == ''
    assert [Path(row['image']).name for row in rows] == ['5.jpg', '0.jpg', 'torn.jpg', '3.jpg']
    assert [row['score'] is None for row in rows] == [False, False, True, False] and rows[2]['error']

def test_results_as_an_object(photos, tmp_path):
    ran = typed('score', photos, '--out', tmp_path/'s.csv', '--json')
    facts = json.loads(ran.stdout)
    assert facts == dict(table=str(tmp_path/'s.csv'), scored=12, failed=0, kept=0, skipped=facts['skipped'])
    again = typed('score', photos, '--out', tmp_path/'s.csv', '--json')
    assert json.loads(again.stdout)['kept'] == 12
    prompts = typed('pretrain', '--references', photos, '--size', 64, '--epochs', 1, '--out', tmp_path/'p.safetensors', '--json', '--quiet')
    facts = json.loads(prompts.stdout)
    assert facts['prompts'] == str(tmp_path/'p.safetensors') and len(facts['history']) == 2 and prompts.stderr == ''
    assert sorted(f.name for f in tmp_path.iterdir()) == ['p.safetensors', 'photos', 's.csv']   # no checkpoint stays behind

def test_bars_only_on_a_terminal(photos, monkeypatch, capsys):
    assert '\r' not in call(monkeypatch, capsys, 'score', photos)[1]
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True, raising=False)
    assert '\r' in call(monkeypatch, capsys, 'score', photos)[1] and '\r' not in call(monkeypatch, capsys, 'score', photos, '--quiet')[1]


# --- mistakes

FLOATS = [(name, p.opts[-1], p.nargs) for name, c in get_command(load_app()).commands.items() for p in c.params
          if isinstance(p.default, float) or p.name in ('scale', 'valid', 'inner_lr', 'outer_lr')]

@pytest.mark.parametrize('command, option, n', FLOATS, ids=lambda v: str(v))
def test_what_is_no_number_is_refused(command, option, n, photos, tmp_path):
    needed = dict(adapt=[photos, 'ratings.csv'], report=[photos], app=[photos], explain=[photos/'0.jpg'], score=[photos]).get(command, [])
    for value in ('nan', 'inf'):
        ran = typed(command, *needed, option, *[value]*n)
        assert ran.exit_code == 2 and option in ran.stderr and 'Traceback' not in ran.stderr

@pytest.mark.parametrize('args, said', [
    (['adapt', 'PHOTOS', 'ratings.csv', '--lam', '5000'], "--lam 5000"),
    (['adapt', 'PHOTOS', 'ratings.csv', '--scale', '5', '1'], '--scale'),
    (['demo', '--drawn', '--photos', 'PHOTOS', '--ratings', 'ratings.csv', '--out', 'OUT'], '--drawn makes'),
    (['pretrain', '--inner', 'adam', '--order', '2'], '--inner sgd'),
    (['import-prompts', 'hf://nobody/nothing/none.pt'], '--download'),
    (['score', 'PHOTOS', '--scorer', 'hf://nobody/nothing'], '--download')])
def test_messages_speak_of_options(args, said, photos, monkeypatch, capsys):
    status, err = call(monkeypatch, capsys, *[a.replace('PHOTOS', str(photos)).replace('OUT', str(photos.parent/'out')) for a in args])
    assert status == 2 and said in err and 'True' not in err and '=' not in err.replace(str(photos), '')

@pytest.mark.parametrize('command, named', [('score', ['--batch-size', '--workers', '--precision', '--device']), ('study', ['--device'])])
def test_memory_that_runs_out(command, named, photos, monkeypatch, capsys):
    "The advice is for this command"
    def full(*args, **kwargs): raise torch.OutOfMemoryError('no more')
    monkeypatch.setattr('grmp_iqa.use.archive.score_archive', full); monkeypatch.setattr('grmp_iqa.evidence.study.study', full)
    status, err = call(monkeypatch, capsys, command, *([photos] if command == 'score' else ['inner']))
    assert status == 2 and [w.strip(',.') for w in err.split() if w.startswith('--')] == named

@pytest.mark.parametrize('module', ['typer', 'torch', 'pandas', 'grmp_iqa.use.archive'])
def test_ctrl_c_while_importing(module, photos):
    "One line, whatever is being imported"
    ran = fresh("""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)   # it is ignored where a shell runs the tests in the background
wanted = sys.argv.pop(1)
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == wanted: os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop())
from grmp_iqa.cli import main
main()
""", module, 'score', photos/'0.jpg')
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, '', 'grmp-iqa: stopped.\n')

def test_nobody_reads_on_and_a_full_disk():
    "Neither is a traceback"
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run([COMMAND, '--help'], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (141, '')
    if not Path('/dev/full').exists(): return
    with open('/dev/full', 'w') as full: ran = subprocess.run([COMMAND, '--help'], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ran.returncode == 2 and 'no space left' in ran.stderr and ran.stderr.count('\n') == 1
