"Kills: a few of `benchmarks/stress.py`, and a scorer that is saved over while its process is killed at every step."
import os, sys
from pathlib import Path

import pytest, torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]/'benchmarks'))

if not hasattr(os, 'fork'): pytest.skip('a killed run is a fork', allow_module_level=True)
import stress
from grmp_iqa import core
from grmp_iqa.core import IQAError, atomic_write, check_folder, check_out, file_error, lock, open_folder, read_kept
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.scoring import Scorer
from grmp_iqa.tiny.recipe import train_backbone


@pytest.mark.parametrize('command', ['score', 'studio log'])
def test_killed_commands_end_with_the_same_bits(command, capsys):
    row = stress.main(['--kills', '3', '--only', command]).iloc[0]
    assert row.kills >= 3 and row.runs and row.equal_bits == row.runs, capsys.readouterr().out
    assert not row.failed and not row.leftovers, capsys.readouterr().out


@pytest.fixture(scope='module')
def bed(tmp_path_factory): return stress.Bed(tmp_path_factory.mktemp('stress')/'bed')

@pytest.mark.parametrize('at', range(5, 13))
def test_a_bench_that_is_killed_around_its_first_row_goes_on(bed, at, tmp_path):
    "Whatever is written first has to show that the folder is one of runs"
    assert stress.ended(stress.start(stress.bench, bed, tmp_path, at)) == -9
    assert stress.ended(stress.start(stress.bench, bed, tmp_path)) == 0, (bed.folder/'said.txt').read_text()
    assert {'runs.csv', 'runs.splits.json', 'table.csv'} <= {f.name for f in (tmp_path/'bench').iterdir()}

def test_a_finished_backbone_clears_what_a_kill_left(tmp_path):
    "Killed after the weights had their name, and before the state of the training was gone"
    for folder in (tmp_path/'backbone', tmp_path/'.backbone.0123abcd.part'): folder.mkdir()
    (tmp_path/'backbone'/'open_clip_config.json').write_text('{}'); (tmp_path/'backbone.training').touch()
    train_backbone(tmp_path/'backbone', steps=1, workers=0, progress=False)
    assert os.listdir(tmp_path) == ['backbone']

@pytest.mark.parametrize('exchange', [True, False])
def test_saving_over_a_scorer_survives_every_kill(bed, exchange, tmp_path, monkeypatch):
    "The name leads to the old scorer or the new one, whole; nothing is left after the next save"
    if not exchange: monkeypatch.setattr(core, '_RENAME', None)
    elif not core._RENAME: pytest.skip('this system has no exchange')
    old, new = bed.scorer, Scorer.from_model(QualityCLIP(bed.backbone, text_tokens=0))
    new.text = -new.text
    save, found = lambda bed, out: new.save(out/'scorer'), []
    for at in range(1, 99):
        old.save(tmp_path/'scorer')
        if stress.ended(stress.start(save, bed, tmp_path, at)) == 0: break
        text = Scorer.load(tmp_path/'scorer', 'cpu').text
        found.append('old' if torch.equal(text, old.text) else 'new' if torch.equal(text, new.text) else 'mixed')
    assert set(found) == {'old', 'new'} and found == sorted(found, reverse=True), found
    assert [f.name for f in tmp_path.iterdir()] == ['scorer']

def test_of_two_writers_one_wins_whole(bed, tmp_path):
    def save(bed, out):
        for _ in range(20): bed.scorer.save(out/'scorer')
    for pid in [stress.start(save, bed, tmp_path) for _ in range(3)]: assert stress.ended(pid) == 0, (bed.folder/'said.txt').read_text()
    assert torch.equal(Scorer.load(tmp_path/'scorer', 'cpu').text, bed.scorer.text)
    assert [f.name for f in tmp_path.iterdir()] == ['scorer'] and len(list((tmp_path/'scorer').iterdir())) == 2


@pytest.fixture
def full_disk(tmp_path):
    "A folder on a disk with room for 64 KB"
    folder = tmp_path/'disk'
    folder.mkdir()
    if os.system(f'mount -t tmpfs -o size=64k none {folder} 2>/dev/null'): pytest.skip('a small disk can be mounted by root alone')
    yield folder
    os.system(f'umount {folder}')

def test_a_full_disk_is_a_sentence_and_the_old_scorer_stays(bed, full_disk):
    def write(text):
        with atomic_write(full_disk/'table.csv') as part: part.write_text(text)
    write('old')
    for work in (lambda: write('x'*10**6), lambda: Scorer.load('tiny', 'cpu').save(full_disk/'scorer'),
                 lambda: QualityCLIP(bed.backbone, visual_tokens=500).save_prompts(full_disk/'prompts.safetensors')):
        with pytest.raises(IQAError, match=r"^'.*' can't be read or written \(no space left on device\): make room there"): work()
    assert (full_disk/'table.csv').read_text() == 'old' and os.listdir(full_disk) == ['table.csv']

def test_a_read_only_disk_is_a_sentence_before_the_work(full_disk):
    (full_disk/'run').mkdir()
    os.system(f'mount -o remount,ro {full_disk}')
    for ask in (check_out, check_folder, lambda p: open_folder(p, {})):
        for place in (full_disk/'new', full_disk/'run'/'new'):
            with pytest.raises(IQAError, match="can't be read or written"): ask(place)
    with pytest.raises(IQAError, match="read-only"), lock(full_disk/'run'): pass


def test_nothing_of_the_users_is_replaced(tmp_path):
    from grmp_iqa.clip.checkpoints import write_prompts
    photo, link, folder = tmp_path/'lake.jpg', tmp_path/'link', tmp_path/'folder'
    photo.write_bytes(b'photo'); link.symlink_to(photo); folder.mkdir(); (folder/'notes.txt').write_text('mine')
    fifo = tmp_path/'fifo'; os.mkfifo(fifo)
    scorer = Scorer.load('tiny', 'cpu')
    for place in (photo, link, folder, fifo, Path('/dev/null')):
        for write in (lambda p: write_prompts(p, {'a': torch.zeros(1)}, {}), scorer.save, lambda p: check_out(p, 'image,score,error')):
            with pytest.raises(IQAError): write(place)
    assert photo.read_bytes() == b'photo' and link.is_symlink() and os.listdir(folder) == ['notes.txt'] and fifo.is_fifo()
    scorer.save(tmp_path/'scorer')
    (tmp_path/'scorer'/'notes.txt').write_text('mine')
    with pytest.raises(IQAError, match='notes.txt'): scorer.save(tmp_path/'scorer')

@pytest.mark.parametrize('text', ['', '{', '[1]', 'null', '\0'])
def test_emptied_or_damaged_state_is_a_sentence_and_stays(text, tmp_path):
    run = open_folder(tmp_path/'run', dict(shots=5))
    (run/'settings.json').write_text(text); (run/'runs.csv').write_text('work')
    with pytest.raises(IQAError, match="settings.json' is empty or damaged"): open_folder(run, dict(shots=5))
    (run/'settings.json').unlink()
    with pytest.raises(IQAError, match='no settings.json'): open_folder(run, dict(shots=5))
    assert os.listdir(run) == ['runs.csv']

def test_errors_of_files_are_told_from_bugs():
    for e in (KeyError('x'), ValueError('y'), RuntimeError('z')): assert file_error(e) is None
    assert "'x.csv' can't be read or written (permission denied)" in str(file_error(PermissionError(13, '', 'x.csv')))
    with pytest.raises(IQAError, match='no such file'): read_kept('there/is/none.json')

def test_a_learner_is_exported_without_photographs(bed, tmp_path):
    from grmp_iqa.learner import IQADataLoaders, iqa_learner
    dls = IQADataLoaders.from_csv(bed.photos, 'ratings.csv', valid=0, bs=4, device='cpu', scale=(1, 5))
    learn = iqa_learner(dls, bed.backbone)
    with learn.no_bar(), learn.no_logging(): learn.fine_tune(1)
    learn.path = tmp_path
    assert any(cut.photos.kept for cut in dls.cuts)
    learn.export('learner.pkl')
    data = (tmp_path/'learner.pkl').read_bytes()
    assert str(bed.photos).encode() not in data, 'the paths of the photographs are in it'
