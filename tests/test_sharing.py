"What leaves the machine and what comes to it: scorers on a hub (a local one), ONNX files of other networks, gradients for images of any size."
import json, os, re, subprocess, sys, threading
from http.server import ThreadingHTTPServer

import numpy as np, pytest, torch
from fastcore.nbio import read_nb
from PIL import Image
from project import ROOT

from grmp_iqa.clip.backbones import Backbone, build_clip
from grmp_iqa.clip.crops import Crops
from grmp_iqa.core import set_seed
from grmp_iqa.data.images import image_tensor
from grmp_iqa.data.samples import pristine_photos
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.scoring import Scorer
from grmp_iqa.use.hub import local_paths
from grmp_iqa.use.onnx_export import check_onnx, write_onnx
import grmp_iqa.use.loss, open_clip


# --- the hub

@pytest.fixture(scope='module')
def hub():
    "The small hub of the notebook, with an address of its own, and a list of what it was asked"
    names = {}
    exec('import base64, hashlib, json, re\nfrom http.server import BaseHTTPRequestHandler', names)
    for cell in read_nb(ROOT/'nbs'/'use'/'73_hub.ipynb').cells:
        if cell.cell_type == 'code' and re.search(r'^(class LocalHub|def do_)', cell.source, re.M): exec(cell.source, names)
    server = ThreadingHTTPServer(('127.0.0.1', 0), names['LocalHub'])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}', names['LocalHub']
    server.shutdown()

def run(program, home, **env):
    "What a new process says, with the variables that the hub's library reads"
    env = {**os.environ, 'HF_HOME': str(home), 'HF_TOKEN': 'of-ada', 'HF_HUB_DISABLE_XET': '1', **env}
    start = '''
import json
from grmp_iqa.core import IQAError
from grmp_iqa.scoring import Scorer
import grmp_iqa.use.hub
said = {}
def tried(name, do):
    try: said[name] = do()
    except IQAError as e: said[name] = f'IQAError: {e}'
'''
    done = subprocess.run([sys.executable, '-c', f'{start}{program}\nprint("SAID" + json.dumps(said))'], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split('SAID')[1])

PHOTO = list(pristine_photos().values())[0]

@pytest.fixture(scope='module')
def shared(hub, tmp_path_factory):
    "One process shares a scorer on a mirror, and loads it and what others put there"
    address, server = hub
    home = tmp_path_factory.mktemp('home')
    prepare(server)
    said = run(f'''
scorer = Scorer.load('tiny', 'cpu', 'float32')
tried('pushed', lambda: scorer.push_to_hub('ada/garden', 'mit'))
tried('secret', lambda: scorer.push_to_hub('ada/secret', private=True))
import urllib.request
urllib.request.urlopen('{address}/eve/now-others')
load = lambda name, **how: round(Scorer.load(name, 'cpu', 'float32', **how)({str(PHOTO)!r}), 6)
tried('asked for nothing', lambda: load('hf://ada/garden'))
tried('fetched', lambda: load('hf://ada/garden', download=True))
tried('again', lambda: load('hf://ada/garden'))
for name in ('half', 'huge', 'empty', 'html', 'none'): tried(name, lambda: load('hf://eve/' + name, download=True))
tried('here', lambda: round(scorer({str(PHOTO)!r}), 6))
''', home, HF_ENDPOINT=address)
    return said, home, server

def prepare(server):
    "Repositories of a stranger, which appear when somebody asks for eve/now-others"
    answer = server.do_GET
    def do_GET(self):
        if self.path == '/eve/now-others':
            good = dict(self.repos['ada/garden']['commits'][self.repos['ada/garden']['head']])
            without = {k: v for k, v in good.items() if k != 'scorer.safetensors'}
            made = dict(half=without, huge=good | {'card.json': b' '*1_000_001}, empty=good | {'scorer.safetensors': b''}, html=good | {'card.json': b'<html>'})
            for name, files in made.items(): self.repos[f'eve/{name}'] = dict(private=False, head='e'*40, commits={'e'*40: files})
            self.asked.clear()
            return self.answer()
        answer(self)
    server.do_GET = server.do_HEAD = do_GET

def test_a_shared_scorer_scores_the_same_elsewhere(shared):
    said, _, server = shared
    assert re.fullmatch(r'hf://ada/garden@[0-9a-f]{40}', said['pushed']) and said['fetched'] == said['again'] == said['here']
    files = server.repos['ada/garden']['commits'][said['pushed'][-40:]]
    assert sorted(files) == ['README.md', 'card.json', 'scorer.safetensors'] and local_paths(json.loads(files['card.json'])) == []
    assert server.repos['ada/secret']['private'] and b'license: mit' in files['README.md'] and str(ROOT).encode() not in b''.join(files.values())

def test_nothing_is_fetched_unasked(shared):
    said, _, server = shared
    assert 'download=True' in said['asked for nothing']
    asked = [q for q in server.asked if 'garden' in q]
    assert {q.split('/')[-1] for q in asked} == {'card.json', 'scorer.safetensors'} and len([q for q in asked if q.startswith('GET')]) == 2

@pytest.mark.parametrize('name, words', [('half', 'could not be fetched'), ('none', 'could not be fetched'), ('huge', '1,000,001 bytes'), ('empty', '0 bytes'), ('html', 'card.json')])
def test_what_a_stranger_shares_is_one_sentence(shared, name, words):
    said, _, server = shared
    assert said[name].startswith('IQAError') and words in said[name] and '\n' not in said[name]
    if name == 'huge': assert 'GET /eve/huge' not in ' '.join(server.asked)

def test_offline_mode_asks_nobody(shared, hub):
    _, home, server = shared
    before = len(server.asked)
    said = run(f'''
tried('here', lambda: round(Scorer.load('hf://ada/garden', 'cpu', 'float32', download=True)({str(PHOTO)!r}), 6))
tried('not here', lambda: Scorer.load('hf://ada/secret', 'cpu', download=True))
tried('half', lambda: Scorer.load('hf://eve/half', 'cpu'))
tried('push', lambda: Scorer.load('tiny', 'cpu').push_to_hub('ada/more'))
''', home, HF_ENDPOINT=hub[0], HF_HUB_OFFLINE='1')
    assert said['here'] == shared[0]['here'] and 'HF_HUB_OFFLINE' in said['not here'] and 'HF_HUB_OFFLINE' in said['push']
    assert 'download=True' in said['half']   # a card without its tensors is no scorer
    assert len(server.asked) == before


# --- ONNX

RESNET = dict(image_size=64, layers=[1, 1, 1, 1], width=8, patch_size=None)

def test_another_network_becomes_onnx(tmp_path):
    text = dict(context_length=16, vocab_size=49408, width=16, heads=2, layers=1)
    config = dict(embed_dim=16, vision_cfg=RESNET, text_cfg=text, quick_gelu=True)
    set_seed(0)
    backbone = Backbone('made', build_clip(config).eval(), open_clip.SimpleTokenizer(context_length=16), Crops(size=64, squash=70), config)
    scorer = Scorer.from_model(QualityCLIP(backbone, text_tokens=1).eval(), precision='float32')
    write_onnx(scorer, tmp_path/'made.onnx')
    photos = torch.stack([scorer.crops.fixed(p) for p in list(pristine_photos().values())[:5]])
    assert check_onnx(tmp_path/'made.onnx', scorer) < 1e-4 and check_onnx(tmp_path/'made.onnx', scorer, photos) < 1e-4
    assert check_onnx(tmp_path/'made.onnx', scorer, photos[:1]) < 1e-4


# --- crops that keep the gradient

@pytest.mark.parametrize('crops', [Crops(size=64, squash=None, grid=3, half_grid=2, whole=True), Crops(), Crops(size=32, squash=None, short_side=100, grid=2), Crops(size=48, squash=None, half_grid=1, resample='opencv')],
                         ids=['tiny', 'squashed', 'small', 'opencv'])
def test_soft_crops_are_those_of_pillow(crops):
    rng = np.random.default_rng(0)
    photo = Image.open(PHOTO).convert('RGB')
    for _ in range(12):
        image = photo.resize(tuple(int(v) for v in rng.integers(9, 400, 2)))
        fixed, soft = crops.fixed(image), crops.soft(image_tensor(image)[None])[0]
        assert soft.shape == fixed.shape and (soft - fixed).abs().max() < 5.01 and (soft - fixed).abs().mean() < .25

def test_every_pixel_that_is_seen_has_a_gradient():
    pixels = Scorer.load('tiny', 'cpu', 'float32').module(as_loss=True)
    for size in ((64, 64), (131, 77), (700, 80)):
        x = (.1 + .8*image_tensor(Image.open(PHOTO).convert('RGB').resize(size)))[None].requires_grad_()
        pixels(x).backward()
        assert x.grad.isfinite().all() and (x.grad != 0).any(1).float().mean() > .95
