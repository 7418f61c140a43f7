"Archives: killed at any moment, on a full disk, with odd names, a run ends with the bytes of one that was left alone."
import errno, multiprocessing, os, resource, shutil, signal, sys, time
from pathlib import Path

import numpy as np, pandas as pd, pytest

from grmp_iqa.core import IQAError
from grmp_iqa.data.samples import sample_photos
from grmp_iqa.scoring import Scorer
from grmp_iqa.use.archive import score_archive

CONTEXT = multiprocessing.get_context('forkserver')   # its processes import everything once, and torch has not run in them
CONTEXT.set_forkserver_preload(['grmp_iqa.use.archive'])

def scorer(): return Scorer.load('tiny', device='cpu', precision='float32')

def score(out, limit=None, workers=2):
    "In another process: score the folder here; `limit` is the number of bytes that fit on its disk"
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try: score_archive(scorer(), ['photos'], out, workers=workers)
    except IQAError as e: sys.exit(str(e))

def start(*args):
    process = CONTEXT.Process(target=score, args=args)
    process.start()
    return process

@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    "A folder `photos` of 36 photographs and two that are damaged, and the tables of an undisturbed run"
    folder = tmp_path_factory.mktemp('archive')
    (folder/'photos/more').mkdir(parents=True)
    for i, photo in enumerate(sorted(sample_photos()[0].iterdir())[:36]): shutil.copy(photo, folder/('photos/more' if i % 3 else 'photos')/photo.name)
    for name in ('0 torn.jpg', 'z torn.png'): (folder/'photos'/name).write_bytes(b'\xff\xd8\xff\xe0 torn')
    here = os.getcwd()
    os.chdir(folder)
    for out in ('whole.csv', 'whole.jsonl'): score_archive(scorer(), ['photos'], out)
    yield folder
    os.chdir(here)

@pytest.mark.parametrize('ending', ['csv', 'jsonl'])
def test_killed_again_and_again(ending, archive):
    out, whole = Path(f'killed.{ending}'), Path(f'whole.{ending}').read_bytes()
    for rows in (1, 15, 30):
        process, deadline = start(out), time.time() + 100
        while not (out.exists() and out.read_bytes().count(b'\n') > rows) and process.is_alive():
            assert time.time() < deadline
            time.sleep(.01)
        process.kill()
        process.join()
    assert whole.startswith(out.read_bytes().rpartition(b'\n')[0])
    score_archive(scorer(), ['photos'], out, workers=1)   # the number of threads changes nothing either
    assert out.read_bytes() == whole

def test_a_full_disk_keeps_what_was_written(archive):
    process = start('full.csv', 1500)
    process.join()
    assert process.exitcode == 1 and 400 < Path('full.csv').stat().st_size <= 1500
    with pytest.raises(IQAError, match="'full/full.csv'"): Path('full').write_text(''); score_archive(scorer(), ['photos'], 'full/full.csv')
    assert score_archive(scorer(), ['photos'], 'full.csv').kept > 0
    assert Path('full.csv').read_bytes() == Path('whole.csv').read_bytes()

def test_any_exception_is_a_row(archive, monkeypatch):
    one = scorer()
    errors = iter([RecursionError('too deep'), MemoryError(), OverflowError('too wide'), UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'no'), OSError(errno.EIO, 'gone')])
    real = type(one.crops).fixed
    def fixed(crops, image, *args):
        if 'more' in str(image) and (e := next(errors, None)): raise e
        return real(crops, image, *args)
    monkeypatch.setattr(type(one.crops), 'fixed', fixed)
    counts = score_archive(one, ['photos'], 'errors.csv', workers=1)
    table = pd.read_csv('errors.csv')
    assert (counts.scored, counts.failed) == (31, 7) == (table.score.notna().sum(), table.error.notna().sum())
    assert table.error.str.contains('RecursionError|MemoryError|OverflowError').sum() == 3

def test_odd_names(archive):
    odd, photo = Path('odd'), sorted(sample_photos()[0].iterdir())[0]
    odd.mkdir()
    names = [b'a\rb.jpg', b'a\nb.jpg', b'caf\xe9.jpg', b'"quoted", and comma.jpg', '\u3042\u202f.jpg'.encode(), b'plain.jpg']
    for name in names: shutil.copy(photo, os.fsencode(odd)+b'/'+name)
    for out in ('odd.csv', 'odd.jsonl', 'odd-shards'):
        assert score_archive(scorer(), [odd], out).scored == 6
        assert score_archive(scorer(), [odd], out).kept == 6   # each is recognised in its table
    tables = [pd.read_csv('odd.csv'), pd.read_json('odd.jsonl', lines=True), pd.read_parquet('odd-shards')]
    for table in tables: assert table.image.nunique() == 6 and table.score.notna().all() and '"quoted", and comma.jpg' in ' '.join(table.image)
    assert Path('odd.csv').read_text().count('\n') == 7   # a row is a line

def test_a_table_is_never_mixed(archive):
    shutil.copy('whole.csv', 'mixed.csv')
    half = Scorer.load('tiny', device='cpu', precision='bfloat16')
    with pytest.raises(IQAError, match='precision float32'): score_archive(half, ['photos'], 'mixed.csv')
    assert Path('mixed.csv').read_bytes() == Path('whole.csv').read_bytes()
    score_archive(half, ['photos'], 'mixed.csv', resume=False)
    assert set(pd.read_csv('mixed.csv').precision) == {'bfloat16'} and len(pd.read_csv('mixed.csv')) == 38
    for out in ('photos/0 torn.jpg', 'photos', '/dev/null'):
        with pytest.raises(IQAError): score_archive(half, ['photos'], out, resume=False, form='csv')
    assert Path('photos/0 torn.jpg').read_bytes() == b'\xff\xd8\xff\xe0 torn'

def test_photographs_that_come_and_go(archive):
    shutil.copytree('photos', 'album')
    names = sorted(Path('album/more').iterdir())
    names[3].rename('kept.jpg')
    assert score_archive(scorer(), ['album'], 'album.csv').scored == 35
    before = Path('album.csv').read_bytes()
    Path('kept.jpg').rename(names[3])
    names[5].unlink()
    counts = score_archive(scorer(), ['album'], 'album.csv')
    assert (counts.scored, counts.kept) == (36, 37) and Path('album.csv').read_bytes().startswith(before)
    assert Path('album.csv').read_text().splitlines()[-1].startswith(f'album/more/{names[3].name},')

def test_standard_output(archive, capsys):
    counts = score_archive(scorer(), iter(['photos']), '-')
    assert counts.scored == 36 and capsys.readouterr().out == Path('whole.csv').read_text()
    score_archive(scorer(), iter(['photos']), '-', form='jsonl')
    assert capsys.readouterr().out == Path('whole.jsonl').read_text()

def test_the_same_score_is_the_same_score(archive, tmp_path):
    "Alone, in a batch, after reload, with any number of threads: to a millionth in float32"
    import torch
    one, images = scorer(), sorted(Path('photos/more').iterdir())[:9]
    alone = np.array([one(image) for image in images])
    again, found = Scorer.load(one.save(tmp_path/'scorer')), {}
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found[threads] = np.array([again(image) for image in images])
        found['batch', threads] = one.score_images(images, batch_size=9).score.to_numpy()
        found['stream', threads] = np.array([s for s, _, _ in again.stream(images, 4, workers=threads)])
    torch.set_num_threads(1)
    assert all(np.abs(scores - alone).max() < 1e-6 for scores in found.values())
    assert len({found['stream', threads].tobytes() for threads in (1, 2, 3)}) == 1   # to the last bit
    assert again.provenance == one.provenance
