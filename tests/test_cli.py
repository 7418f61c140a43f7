"The command line as it is installed: exit statuses, one sentence for every mistake, and nothing half-written."
import shutil, subprocess, sys
from pathlib import Path

import pandas as pd, pytest
from grmp_iqa.cli import main
from grmp_iqa.data.samples import sample_photos

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
    assert all(f'  {command}  ' in run('--help').stdout for command in ('demo', 'pretrain', 'import-prompts', 'adapt', 'score', 'explain', 'train-backbone', 'bench', 'study'))
    failed = run('score', photos/'missing.jpg')
    assert failed.returncode == 2 and 'missing.jpg' in failed.stderr and 'Traceback' not in failed.stderr


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
