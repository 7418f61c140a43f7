"The command line as it is installed: exit statuses, one sentence for every mistake, and nothing half-written."
import shutil, subprocess, sys
from pathlib import Path

import pandas as pd, pytest
from grmp_iqa.cli import main
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
    assert run('score', photos/'0.jpg').stdout.startswith('image,score,error')
    assert all(f'  {command}  ' in run('--help').stdout for command in ('demo', 'pretrain', 'import-prompts', 'adapt', 'score', 'explain', 'report', 'app', 'course', 'train-backbone', 'bench', 'study'))
    failed = run('score', photos/'missing.jpg')
    assert failed.returncode == 2 and 'missing.jpg' in failed.stderr and 'Traceback' not in failed.stderr


@pytest.mark.parametrize('flag, first', [('--higher-is-better', 'higher'), ('--lower-is-better', 'lower')])
def test_direction_of_a_dmos_can_be_said(photos, tmp_path, flag, first):
    table = pd.read_csv(photos/'ratings.csv').rename(columns=dict(mos='dmos'))
    table.to_csv(photos/'dmos.csv', index=False)
    command = [COMMAND, 'adapt', photos, 'dmos.csv', '--out', tmp_path/'s', '--epochs', '1', '--folds', '0']
    assert '--higher-is-better' in subprocess.run(command, capture_output=True, text=True).stderr
    assert f'{first} is better' in subprocess.run([*command, flag], capture_output=True, text=True).stdout

def test_adapt_says_what_it_read_and_how_good_it_is(photos, tmp_path):
    table = pd.read_csv(photos/'ratings.csv').rename(columns=dict(image='foto', mos='note'))
    table.insert(0, 'id', range(1, 13))
    table.to_csv(photos/'noten.csv', index=False)
    said = subprocess.run([COMMAND, 'adapt', photos, 'noten.csv', '--out', tmp_path/'s', '--epochs', '1', '--folds', '2'], capture_output=True, text=True).stdout
    assert "12 photographs, column 'note' as the score, 0 to 1" in said and 'Cross-validated on 12 photographs' in said and 'bias' in said
    scores = subprocess.run([COMMAND, 'score', photos, '--scorer', tmp_path/'s'], capture_output=True, text=True).stdout
    assert scores.startswith('image,score,predicted,low,high,error')

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
    assert call(monkeypatch, capsys, 'score', photos, '--scorer', scorer, '--out', table)[0] == 0
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
def test_mistakes_on_the_command_line(args, named, photos, monkeypatch, capsys):
    out, before = photos.parent/'OUT', sorted(photos.iterdir())
    args = [a.replace('PHOTOS', str(photos)).replace('OUT', str(out)) for a in args]
    status, err = call(monkeypatch, capsys, *args)
    assert status == 2 and named in err and 'Traceback' not in err
    if err.startswith('grmp-iqa:'): assert err.strip().count('\n') == 0
    assert not out.exists() and sorted(photos.iterdir()) == before
