"""Readers of strangers' files, each as a function of bytes that returns or raises `IQAError`; and good files to begin from.

`tests/test_fuzz.py` feeds them with hypothesis, `benchmarks/fuzz.py` with atheris.
"""
import io, json, socket, tarfile, tempfile, warnings, zipfile
from pathlib import Path

import numpy as np

WORK = Path(tempfile.mkdtemp(prefix='grmp-iqa-fuzz-'))
READERS, SEEDS = {}, {}          # name -> function of bytes; name -> good files as bytes


def reader(name, *seeds):
    "Register the decorated function as a reader, with the good files that fuzzing begins from"
    def register(f): READERS[name], SEEDS[name] = f, list(seeds); return f
    return register

def written(data, name):
    "A file with these bytes"
    (WORK/name).write_bytes(data)
    return WORK/name

def saved(write):
    "The bytes that a function writes to a file"
    write(WORK/'good')
    return (WORK/'good').read_bytes()

def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
        for n, d in members.items(): z.writestr(n, d)
    return out.getvalue()

def tarred(mode, **members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as t:
        for n, d in members.items():
            info = tarfile.TarInfo(n); info.size = len(d); t.addfile(info, io.BytesIO(d))
    return out.getvalue()


for n in ('a.jpg', 'b.jpg', 'ä.png'): (WORK/n).write_bytes(b'')

@reader('ratings', 'image,mos\na.jpg,3\nb.jpg,4.5\n'.encode(), 'Bild;Note;level\na.jpg;"1,5";1\nä.png;2;\n'.encode('utf-8-sig'), b'image\tdmos\r\na.jpg\t12\r\nb.jpg\t30\r\n', b'img,score,mos\n"a.jpg",1,2\nb.jpg,2,3\n')
def ratings(data):
    from grmp_iqa.data.ratings import read_ratings
    table = read_ratings(written(data, 'r.csv'), WORK, higher_is_better=True)
    assert np.isfinite(table.mos).all() and table.mos.between(0, 1).all()

NETWORK = dict(embed_dim=16, vision_cfg=dict(image_size=32, patch_size=16, width=64, layers=1), text_cfg=dict(context_length=8, vocab_size=49408, width=16, heads=1, layers=1))
CARD = dict(kind='grmp-iqa scorer', format=1, backbone=dict(name='mine', config=NETWORK), views=dict(size=32, squash=32, grid=1), prompts=dict(text_tokens=0, visual_tokens=0, antonyms=['a', 'b']),
            scale=dict(low=1, high=5, higher_is_better=True), calibration=dict(slope=1., intercept=0., half=.1, level=.9, photos=9), training={}, versions={})

@reader('card', json.dumps(CARD).encode())
def card(data):
    from grmp_iqa.scoring import read_card
    (WORK/'scorer').mkdir(exist_ok=True)
    read_card(written(data, 'scorer/card.json').parent)

@reader('header', saved(lambda f: __import__('safetensors.numpy', fromlist=['x']).save_file({'text_prompt.context': np.zeros((2, 16), 'f4')}, f, {'card': json.dumps(dict(kind='grmp-iqa prompts', backbone='x', text_tokens=2, visual_tokens=0, antonyms=['a', 'b']))})))
def header(data):
    from grmp_iqa.clip.checkpoints import read_prompts
    _, state = read_prompts(written(data, 'h.safetensors'))
    assert all(np.isfinite(t.float()).all() for t in state.values())

def _torch_file(f):
    import torch
    torch.save({'epoch': 3, 'state_dict': {'module.a': torch.arange(6.).view(2, 3), 'b': torch.zeros(12).half()}}, f)

def _script(f):
    import torch
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.jit.script(torch.nn.Linear(2, 3)).save(str(f))

@reader('checkpoint')
def checkpoint(data):
    from grmp_iqa.clip.backbones import read_state
    state, _ = read_state(written(data, 'c.pt'))
    assert sum(t.numel()*t.itemsize for t in state.values()) <= 4*len(data)

@reader('pickle')
def pickled(data):
    "The bytes are the pickle within a file of torch"
    import zipfile
    with zipfile.ZipFile(WORK/'p.pt', 'w') as z:
        z.writestr('a/data.pkl', data)
        for i in range(2): z.writestr(f'a/data/{i}', bytes(24))
    from grmp_iqa.clip.tensors import read_pickled
    read_pickled(WORK/'p.pt')

def _mat(packed):
    from scipy.io import savemat
    names = np.array(['a.bmp', 'b.bmp'], dtype=object)
    return saved(lambda f: savemat(f, dict(dmos=np.array([[1., 2.]]), orgs=np.array([[0, 1]], np.uint8), refnames_all=names[None]), do_compression=packed, appendmat=False))

@reader('mat', _mat(False), _mat(True))
def mat(data):
    from grmp_iqa.data.lists import read_mat
    read_mat(written(data, 'm.mat'))

def _sheet():
    import openpyxl
    book = openpyxl.Workbook(); book.active.append(['Image name', 'MOS']); book.active.append(['a.jpg', 5])
    book.save(out := io.BytesIO())
    return out.getvalue()

@reader('sheet')
def sheet(data):
    from grmp_iqa.data.lists import read_sheet
    read_sheet(written(data, 's.xlsx'))

@reader('csv', b'dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,3,1\n')
def csv(data):
    from grmp_iqa.data.lists import read_csv
    read_csv(written(data, 't.csv'))

@reader('archive', zipped(**{'a.jpg': b'x'*50, 'd/b.jpg': b'y'}), tarred('w', a=b'1', b=b'2'*600), tarred('w:gz', a=b'1'*50), tarred('w:bz2', a=b'1'))
def archive(data):
    import shutil
    from grmp_iqa.data.download import extract
    root = WORK/'archive'; shutil.rmtree(root, ignore_errors=True); root.mkdir()
    before = set(WORK.iterdir())
    try: extract(written(data, 'x.zip'), root/'out')
    finally: assert set(root.iterdir()) <= {root/'out'} and set(WORK.iterdir()) - before <= {WORK/'x.zip'} and not any(p.is_symlink() for p in root.rglob('*'))

def seeds(name):
    "Good files of a reader; those that need torch or openpyxl are made when asked for"
    late = {'checkpoint': lambda: [saved(_torch_file), saved(_script)], 'sheet': lambda: [_sheet()]}
    def pickles():
        with zipfile.ZipFile(io.BytesIO(saved(_torch_file))) as z: return [z.read(n) for n in z.namelist() if n.endswith('data.pkl')]
    late['pickle'] = pickles
    if not SEEDS[name]: SEEDS[name] = late[name]()
    return SEEDS[name]

class NoNetwork(socket.socket):
    "A socket that no reader may open"
    def __init__(self, *a, **k): raise AssertionError('a socket was opened')

def tried(name, data):
    "Feed a reader; True if it took the bytes, False if it refused them in one sentence; anything else is raised"
    from grmp_iqa.core import IQAError
    old, socket.socket = socket.socket, NoNetwork
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            READERS[name](data)
        return True
    except IQAError as e:
        assert '\n' not in str(e) and len(str(e)) < 2000, str(e)
        return False
    finally: socket.socket = old
