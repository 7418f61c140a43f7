"""Files as a stranger could send them: scorers, backbones, prompts, checkpoints, databases and archives that lie, explode, or want to run something.

`python tests/malicious.py [WORDS]` tries them (those whose names hold the words) and prints a table: each has to be refused in one sentence, or to load
and judge a photograph. Sockets raise; `ran` notes whether any file got its program run; memory is limited.
"""
import argparse, bz2, copy, gzip, io, json, lzma, os, pickle, resource, shutil, socket, struct, sys, tarfile, tempfile, time, traceback, warnings, zipfile
from pathlib import Path

CASES = {}          # name -> (function that writes below a folder and gives what to call, may it load?)
RAN = Path(tempfile.gettempdir())/f'grmp-iqa-ran-{os.getpid()}'
HUGE = 10**12


def case(name, may_load=False):
    "Register the decorated function as a case"
    def register(f): CASES[name] = (f, may_load); return f
    return register

class Harm:
    "An object whose pickle makes a file"
    def __reduce__(self): return os.system, (f'touch {RAN}',)


# --- scorers ---------------------------------------------------------------------------------------------------------------

def edited(base, folder, change):
    "A copy of the good scorer with another card; `change` takes the card and gives a card, text or bytes"
    shutil.copytree(base/'scorer', folder/'scorer')
    file = folder/'scorer'/'card.json'
    new = change(json.loads(file.read_text()))
    file.write_bytes(new if isinstance(new, bytes) else (new if isinstance(new, str) else json.dumps(new)).encode())
    return folder/'scorer'

def put(card, path, value):
    "The card with the entry at a dotted path replaced, or gone where the value is ..."
    card, *keys = copy.deepcopy(card), *path.split('.')
    at = card
    for k in keys[:-1]: at = at[k]
    if value is ...: at.pop(keys[-1], None)
    else: at[keys[-1]] = value
    return card

VISION, CONFIG, VIEWS = 'backbone.config.vision_cfg', 'backbone.config', 'views'
nan, inf = float('nan'), float('inf')
CARDS = {
    VISION: ['gone', [], 'vit', {}], f'{VISION}.timm_model_name': ['hf-hub:timm/vit', 'resnet18', 'local-dir:/tmp'], f'{VISION}.layers': [10**6, 1000, 0, -1, 2.5, True, '2', None, [1, 1, 1, 1]],
    f'{VISION}.width': [10**9, 65, 0, nan, -64, [64]], f'{VISION}.head_width': [0, 10**9, 48, -1], f'{VISION}.mlp_ratio': [1e9, -1, nan, '4'], f'{VISION}.patch_size': [0, 1, 10**6, [16, 8]],
    f'{VISION}.image_size': [10**6, [32, 64], '32', 0, [32]*1000], f'{VISION}.pool_type': ['none', 7], f'{VISION}.norm_kwargs': [{'eps': 1e9}, {'__class__': 1}], f'{VISION}.attentional_pool': [True],
    f'{VISION}.output_tokens': [True], f'{VISION}.pos_embed_type': ['x'], f'{VISION}.ls_init_value': [inf, .1], f'{VISION}.no_ln_pre': ['false', True],
    f'{CONFIG}.text_cfg.hf_model_name': ['hf-hub:x/y', 'roberta-base'], f'{CONFIG}.text_cfg.vocab_size': [HUGE, -5], f'{CONFIG}.text_cfg': ['gone', 3], f'{CONFIG}.embed_dim': [0, 10**9, 17, '16', None],
    f'{CONFIG}.quick_gelu': ['false', 1], f'{CONFIG}.spread': [True, 'yes'], f'{CONFIG}.multimodal_cfg': [{}], f'{CONFIG}.cast_dtype': ['float16'], 'backbone': ['gone', [], 'tiny'],
    'backbone.name': [5, 'x'*10**5, 'gone'], f'{VIEWS}.grid': [100, 0, -1, 2.5, '3', True, 10**18], f'{VIEWS}.half_grid': [10**6, -1], f'{VIEWS}.size': [10**6, 16, 0, nan], f'{VIEWS}.squash': [1, 10**6, 'no'],
    f'{VIEWS}.short_side': [0, 10**9], f'{VIEWS}.whole': ['false', 2], f'{VIEWS}.mean': [[nan]*3, [0, 0], 'abc', [1e30]*3], f'{VIEWS}.std': [[0, 0, 0], [-1, 1, 1], [inf]*3], f'{VIEWS}.resample': ['evil', 3],
    f'{VIEWS}.train': [10**9], f'{VIEWS}.more': [1], VIEWS: ['gone', [], None], 'prompts.visual_tokens': [10**9, -1, '2', 1.5, 0], 'prompts.text_tokens': [10**9, -2], 'prompts.antonyms': [['a'], [1, 2], 'ab', 'gone'],
    'prompts': ['gone', []], 'scale': [[], 'stars', {}, {'low': 1, 'high': 5}], 'scale.low': [nan, 9, '1', -inf, 10**400], 'scale.higher_is_better': ['false', 1, None],
    'calibration': [[], {}, 'x', dict(slope=-1., intercept=0., half=.1, level=.9, photos=9), dict(slope=nan, intercept=0., half=.1, level=.9, photos=9), dict(slope=True, intercept=0, half=.1, level=.9, photos=9),
                    dict(slope=1., intercept=0., half=2., level=.9, photos=9), dict(slope=1e300, intercept=0., half=.2, level=.9, photos=9), dict(slope=1., intercept=0., half=.1, level=.9, photos=9, more=1)],
    'format': [0, '1', 10**9, nan, None, 'gone', [1]], 'kind': ['gone', 'x', {}], 'precision': ['float8', 5], 'training': [[], 'x'], 'versions': [[], {'torch': 3}]}

def card_case(path, i, value):
    "One entry of the card is replaced"
    @case(f'scorer card {path}={str(value)[:24]} #{i}')
    def write(base, folder):
        from grmp_iqa.scoring import Scorer
        f = edited(base, folder, lambda card: put(card, path, ... if value == 'gone' else value))
        return lambda: Scorer.load(f, device='cpu')

for path, values in CARDS.items():
    for i, value in enumerate(values): card_case(path, i, value)

for name, text in {'a list': '[]', 'torn': '{"kind": ', 'empty': '', 'latin1': b'{"kind": "\xff"}', 'NaN': '{"kind": NaN}', 'deep': '{"kind":' + '['*200_000, 'zeros': bytes(1000), 'long': '{"a": "' + 'x'*12_000_000 + '"}',
                   'digits': '{"format": ' + '9'*10_000 + '}'}.items():
    def write(base, folder, text=text):
        from grmp_iqa.scoring import Scorer
        f = edited(base, folder, lambda card: text)
        return lambda: Scorer.load(f, device='cpu')
    case(f'scorer card is {name}')(write)

def tensors_case(name, change, may_load=False):
    "The tensors of the good scorer are changed: `change` takes them and gives tensors, or bytes for the file"
    @case(f'scorer tensors: {name}', may_load)
    def write(base, folder):
        from grmp_iqa.scoring import Scorer
        from safetensors.torch import load_file, save_file
        shutil.copytree(base/'scorer', folder/'scorer')
        file = folder/'scorer'/'scorer.safetensors'
        new = change(load_file(file), file)
        file.unlink()
        if isinstance(new, bytes): file.write_bytes(new)
        elif new is not None: save_file({k: v.contiguous().clone() for k, v in new.items()}, file)
        return lambda: Scorer.load(folder/'scorer', device='cpu')

def weights(f): return lambda s, file: {k: f(v) if k == 'visual.conv1.weight' else v for k, v in s.items()}
def header_of(data, shape=None, offsets=None, dtype='F32'):
    "Bytes of a safetensors file with one tensor, whose header says what it likes"
    h = json.dumps({'text': {'dtype': dtype, 'shape': shape or [2, 16], 'data_offsets': offsets or [0, len(data)]}}).encode()
    return struct.pack('<Q', len(h)) + h + data

tensors_case('text (1,D)', lambda s, f: s | {'text': s['text'][:1]})
tensors_case('text (3,D)', lambda s, f: s | {'text': s['text'][[0, 1, 1]]})
tensors_case('text (D,2)', lambda s, f: s | {'text': s['text'].T})
tensors_case('no text', lambda s, f: {k: v for k, v in s.items() if k != 'text'})
tensors_case('text nan', lambda s, f: s | {'text': s['text']*nan})
tensors_case('text int', lambda s, f: s | {'text': s['text'].int()})
tensors_case('text infinite', lambda s, f: s | {'text': s['text']/0})
tensors_case('weights nan', weights(lambda w: w*nan))
tensors_case('weights infinite', weights(lambda w: w/0))
tensors_case('weights 1e38', lambda s, f: {k: v*0 + 1e38 if 'visual.' in k and v.ndim > 1 else v for k, v in s.items()}, True)
tensors_case('text 1e38', lambda s, f: s | {'text': s['text']*1e38}, True)
tensors_case('weights bool', weights(lambda w: w > 0))
tensors_case('weights int8', weights(lambda w: w.char()))
tensors_case('weights complex', weights(lambda w: w + 1j))
tensors_case('weights float16', lambda s, f: {k: v.half() for k, v in s.items()}, True)
tensors_case('weights float64', lambda s, f: {k: v.double() for k, v in s.items()}, True)
tensors_case('weights missing', lambda s, f: {k: v for k, v in s.items() if 'conv1' not in k})
tensors_case('one too many', lambda s, f: s | {'more': s['text']})
tensors_case('other shape', weights(lambda w: w[:, :, :8]))
tensors_case('no dimension', weights(lambda w: w.sum()))
tensors_case('no file', lambda s, f: None)
tensors_case('empty', lambda s, f: b'')
tensors_case('half', lambda s, f: f.read_bytes()[:-1000])
tensors_case('longer', lambda s, f: f.read_bytes() + b'more')
tensors_case('endless header', lambda s, f: struct.pack('<Q', 2**62) + b'{}')
tensors_case('header of 90 MB', lambda s, f: struct.pack('<Q', 90_000_000) + b'{' + b' '*89_999_998 + b'}')
tensors_case('header is no JSON', lambda s, f: struct.pack('<Q', 9) + b'not json!')
tensors_case('offsets outside', lambda s, f: header_of(bytes(128), offsets=[0, HUGE]))
tensors_case('offsets negative', lambda s, f: header_of(bytes(128), offsets=[-8, 120]))
tensors_case('shape overflows', lambda s, f: header_of(bytes(128), shape=[2**62, 2**62, 4]))
tensors_case('shape lies', lambda s, f: header_of(bytes(128), shape=[2, 10**9]))
tensors_case('type unknown', lambda s, f: header_of(bytes(128), dtype='EVIL'))
tensors_case('a pickle', lambda s, f: pickle.dumps(Harm()))
tensors_case('a million names', lambda s, f: (lambda h: struct.pack('<Q', len(h)) + h)(json.dumps({str(i): {'dtype': 'F32', 'shape': [0], 'data_offsets': [0, 0]} for i in range(150_000)}).encode()))

@case('scorer card.json is a pipe')
def _(base, folder):
    from grmp_iqa.scoring import Scorer
    shutil.copytree(base/'scorer', folder/'scorer'); (folder/'scorer'/'card.json').unlink(); os.mkfifo(folder/'scorer'/'card.json')
    return lambda: Scorer.load(folder/'scorer', device='cpu')

@case('scorer tensors are a pipe')
def _(base, folder):
    from grmp_iqa.scoring import Scorer
    shutil.copytree(base/'scorer', folder/'scorer'); (folder/'scorer'/'scorer.safetensors').unlink(); os.mkfifo(folder/'scorer'/'scorer.safetensors')
    return lambda: Scorer.load(folder/'scorer', device='cpu')

@case('scorer card.json is a folder')
def _(base, folder):
    from grmp_iqa.scoring import Scorer
    (folder/'scorer'/'card.json').mkdir(parents=True)
    return lambda: Scorer.load(folder/'scorer', device='cpu')

@case('scorer with RN50 by name')
def _(base, folder):
    import open_clip
    from grmp_iqa.scoring import Scorer
    f = edited(base, folder, lambda card: put(put(card, 'backbone.config', open_clip.get_model_config('RN50')), 'backbone.name', 'RN50'))
    return lambda: Scorer.load(f, device='cpu')


# --- backbones -------------------------------------------------------------------------------------------------------------

def backbone_case(name, change, files=lambda folder: None, may_load=False, base_name='backbone'):
    "A folder with a backbone and another card, or other files"
    @case(f'backbone {name}', may_load)
    def write(base, folder):
        from grmp_iqa.clip.backbones import load_clip
        shutil.copytree(base/base_name, folder/'backbone')
        file = folder/'backbone'/'open_clip_config.json'
        file.write_text(json.dumps(change(json.loads(file.read_text()))))
        files(folder/'backbone')
        return lambda: load_clip(folder/'backbone', device='cpu')

def other_weights(write, name='open_clip_model.safetensors'):
    "Replace the file of weights"
    def files(folder):
        (folder/'open_clip_model.safetensors').unlink()
        write(folder/name)
    return files

def same(card): return card
def save_tensors(change):
    from safetensors.torch import load_file, save_file
    def files(folder):
        file = folder/'open_clip_model.safetensors'
        save_file({k: v.contiguous().clone() for k, v in change(load_file(file)).items()}, file)
    return files

MODEL = 'model_cfg.vision_cfg'
for path, values in {f'{MODEL}.timm_model_name': ['hf-hub:x/y', 'resnet18'], f'{MODEL}.layers': [10**6, -1], 'model_cfg.text_cfg.hf_model_name': ['x/y'], 'model_cfg.text_cfg.hf_tokenizer_name': ['x/y', ''],
                     'model_cfg.text_cfg.vocab_size': [10, HUGE, 60_000], 'model_cfg.text_cfg.context_length': [10**9, 1], 'model_cfg.text_cfg.heads': [0, 7], 'model_cfg.text_cfg.layers': [10**6],
                     'model_cfg.text_cfg.tokenizer_kwargs': [{'bpe_path': '/etc/passwd'}], 'model_cfg.custom_text': [True, 'yes'], 'model_cfg': ['gone', [], 'ViT-B-32'], 'model_cfg.embed_dim': [10**9],
                     'preprocess_cfg.mean': [[nan]*3, 'x'], 'preprocess_cfg.std': [[0]*3], 'preprocess_cfg': [[]], 'views': [dict(size=32, squash=32, grid=100), [], dict(size=64)]}.items():
    for value in values: backbone_case(f'{path}={str(value)[:24]}', lambda card, path=path, value=value: put(card, path, ... if value == 'gone' else value))
backbone_case('with a key of a later version', lambda card: card | {'later': 1}, may_load=True)
backbone_case('preprocess interpolation', lambda card: put(card, 'preprocess_cfg.interpolation', 'evil'), may_load=True)
backbone_case('without weights', same, lambda f: (f/'open_clip_model.safetensors').unlink())
backbone_case('with a pickle for weights', same, other_weights(lambda f: f.write_bytes(pickle.dumps({'a': Harm()})), 'open_clip_pytorch_model.bin'))
backbone_case('with a harmful torch file', same, other_weights(lambda f: __import__('torch').save({'a': Harm()}, f), 'open_clip_pytorch_model.bin'))
backbone_case('with two unnamed weights', same, lambda f: (f/'open_clip_model.safetensors').rename(f/'a.safetensors') and shutil.copy(f/'a.safetensors', f/'b.safetensors'))
backbone_case('weights nan', same, lambda f: save_tensors(lambda s: s | {'visual.proj': s['visual.proj']*nan})(f))
backbone_case('weights missing', same, lambda f: save_tensors(lambda s: {k: v for k, v in s.items() if k != 'visual.proj'})(f))
backbone_case('with code for a tokenizer', lambda card: put(card, 'model_cfg.text_cfg.hf_tokenizer_name', '.'),
              lambda f: ((f/'tokenizer_config.json').write_text(json.dumps({'auto_map': {'AutoTokenizer': ['evil.T', None]}})), (f/'evil.py').write_text(f'open({str(RAN)!r}, "w")')))

def packaged(name, change=same, tensors=None, may_load=False):
    backbone_case(f'like tiny: {name}', change, lambda f: save_tensors(tensors)(f) if tensors else None, may_load, 'packaged')

packaged('as it is', may_load=True)
packaged('grid', lambda card: put(card, 'views.grid', 10**6))
packaged('crops of another size', lambda card: put(card, 'views.size', 48))
packaged('rate nan', lambda card: put(card, 'recipes', {'quick': {'base_lr': nan}}))
packaged('rate text', lambda card: put(card, 'recipes', {'quick': {'base_lr': '1'}}))
packaged('recipe unknown key', lambda card: put(card, 'recipes', {'quick': {'opt_func': 'os.system'}}))
packaged('recipes a list', lambda card: put(card, 'recipes', []))
packaged('views null', lambda card: put(card, 'views', None))
packaged('vocabulary of a trillion', tensors=lambda s: s | {'vocab_size': s['vocab_size']*0 + HUGE})
packaged('vocabulary of ten', tensors=lambda s: s | {'vocab_size': s['vocab_size']*0 + 10})
packaged('vocabulary negative', tensors=lambda s: s | {'vocab_size': s['vocab_size']*0 - 1})
packaged('vocabulary of two numbers', tensors=lambda s: s | {'vocab_size': s['token_ids'][:2]})
packaged('token out of range', tensors=lambda s: s | {'token_ids': s['token_ids'] + 49408})
packaged('token negative', tensors=lambda s: s | {'token_ids': s['token_ids'] - 10**6})
packaged('tokens as floats', tensors=lambda s: s | {'token_ids': s['token_ids'].double()})
packaged('tokens too few', tensors=lambda s: s | {'token_ids': s['token_ids'][:1]})
packaged('no tokens', tensors=lambda s: {k: v for k, v in s.items() if k != 'token_ids'})
packaged('embedding without width', tensors=lambda s: s | {'token_embedding.weight': s['token_embedding.weight'][:, 0]})


# --- prompts ---------------------------------------------------------------------------------------------------------------

def prompts_case(name, card=None, tensors=lambda s: s, may_load=False, meta='card'):
    "A file of prompts with another card or other tensors; loaded into the model it was made for"
    @case(f'prompts: {name}', may_load)
    def write(base, folder):
        from grmp_iqa.clip.backbones import load_clip
        from grmp_iqa.learner import start_of, student
        from safetensors import safe_open
        from safetensors.torch import save_file
        with safe_open(base/'prompts.safetensors', 'pt') as f: old, state = json.loads(f.metadata()['card']), {n: f.get_tensor(n) for n in f.keys()}
        new = card(old) if card else old
        save_file({k: v.contiguous().clone() for k, v in tensors(state).items()}, folder/'p.safetensors', metadata={meta: new if isinstance(new, str) else json.dumps(new)})
        def call():
            backbone, start = start_of(load_clip(base/'backbone', device='cpu'), folder/'p.safetensors')
            return student(backbone, start, 1, 'float32', False)
        return call

for path, values in {'visual_tokens': [10**9, -1, '2', 3, 'gone'], 'text_tokens': [10**9, 1.5, 5], 'antonyms': [[1, 2], 'x', 'gone'], 'backbone': [5, 'another', 'gone', None], 'crops': [{'grid': 10**3}, {'more': 1}, [], 'x'],
                     'kind': ['x', 'gone']}.items():
    for value in values: prompts_case(f'{path}={value}', lambda c, path=path, value=value: put(c, path, ... if value == 'gone' else value))
prompts_case('as they are', may_load=True)
prompts_case('card no JSON', lambda c: '{torn')
prompts_case('card a list', lambda c: '[]')
prompts_case('card NaN', lambda c: '{"kind": NaN}')
prompts_case('no card', meta='other')
prompts_case('nan', tensors=lambda s: s | {'text_prompt.context': s['text_prompt.context']*nan})
prompts_case('missing', tensors=lambda s: {k: v for k, v in s.items() if 'deep' not in k})
prompts_case('of a whole network', tensors=lambda s: s | {'clip.visual.proj': s['text_prompt.context']})
prompts_case('without dimensions', tensors=lambda s: {k: v.sum() for k, v in s.items()})


# --- files of torch ----------------------------------------------------------------------------------------------------------

def pt_case(name, write, may_load=False):
    "A file of weights: `write` makes it; it is read as weights, as released prompts and as a checkpoint of a training"
    @case(f'torch file: {name}', may_load)
    def make(base, folder):
        write(folder/'w.pt', base)
        def call():
            from grmp_iqa.clip import backbones, checkpoints
            from grmp_iqa.core import IQAError
            outcomes = []
            for f in (lambda: backbones.read_state(folder/'w.pt'), lambda: checkpoints.released_prompts(folder/'w.pt'), lambda: checkpoints.read_checkpoint(folder/'w.pt', theta=dict),
                      lambda: backbones.fitting_names(backbones.read_state(folder/'w.pt')[0])):
                try: f()
                except IQAError as e: outcomes.append(e)
            if outcomes: raise outcomes[0]
        return call

def zip_of(file, pkl, data=(), extra=(), method=zipfile.ZIP_STORED, top='archive'):
    "A file in torch's layout around a pickle"
    with warnings.catch_warnings(), zipfile.ZipFile(file, 'w', method) as z:
        warnings.simplefilter('ignore')
        z.writestr(f'{top}/data.pkl', pkl)
        for n, b in data: z.writestr(f'{top}/data/{n}', b)
        for n, b in extra: z.writestr(n, b)

def tensor_pickle(numel=4, size=(2, 2), stride=(2, 1), offset=0, storage='FloatStorage', key='0', repeat=1):
    "A pickle in torch's dialect of a dictionary with a tensor that claims what it likes"
    num = lambda n: b'\x8a' + bytes([len(b := int(n).to_bytes(9, 'little', signed=True))]) + b
    tup = lambda t: b'(' + b''.join(num(v) for v in t) + b't'
    one = (b'ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage' + f'ctorch\n{storage}\n'.encode() + b'X' + struct.pack('<I', len(key)) + key.encode() + b'X\x03\x00\x00\x00cpu' + num(numel) + b'tQ'
           + num(offset) + tup(size) + tup(stride) + b'\x89ccollections\nOrderedDict\n)RtR')
    return b'\x80\x02}' + b''.join(b'X' + struct.pack('<I', len(n := f'w{i}'.encode())) + n + one + b's' for i in range(repeat)) + b'.'

four = [('0', struct.pack('<4f', 1, 2, 3, 4))]
pt_case('good, but no network of ours', lambda f, b: zip_of(f, tensor_pickle(), four))
for name, kw in {'numbers of a trillion': dict(numel=HUGE), 'numbers negative': dict(numel=-4), 'shape of a trillion': dict(size=(10**6, 10**6), stride=(0, 0)), 'shape negative': dict(size=(-2, -2)), 'stride outside': dict(stride=(1000, 1)),
                 'stride negative': dict(stride=(-2, 1)), 'offset outside': dict(offset=10**9), 'offset negative': dict(offset=-1), 'type unknown': dict(storage='EvilStorage'), 'numbers elsewhere': dict(key='../../../etc/passwd'),
                 'type of other size': dict(storage='DoubleStorage'), 'complex': dict(storage='ComplexFloatStorage'), 'shape without end': dict(size=(1,)*70, stride=(0,)*70), 'strides too few': dict(stride=(1,)),
                 'shared by thousands': dict(repeat=5_000)}.items():
    pt_case(name, lambda f, b, kw=kw: zip_of(f, tensor_pickle(**kw), four))

def torch_save(obj): return lambda f, b: __import__('torch').save(obj(__import__('torch')), f)
class Call:
    "An object whose pickle calls a function by name"
    def __init__(self, name, *args): self.name, self.args = name, args
    def __reduce__(self):
        module, _, name = self.name.rpartition('.')
        return getattr(__import__(module, fromlist=['x']), name), self.args

pt_case('os.system', torch_save(lambda t: {'a': Harm()}))
pt_case('eval', torch_save(lambda t: {'a': Call('builtins.eval', f'open({str(RAN)!r}, "w")')}))
pt_case('a bytearray of 100 GB', lambda f, b: zip_of(f, b'\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\xe8vH\x17\x85R.'))
pt_case('BYTEARRAY8', lambda f, b: zip_of(f, b'\x80\x05\x96' + struct.pack('<Q', 2**40) + b'.'))
pt_case('a memo of billions', lambda f, b: zip_of(f, b'\x80\x02}r\xff\xff\xff\x7f.'))
pt_case('a text of 4 GB', lambda f, b: zip_of(f, b'\x80\x02X\xff\xff\xff\xffabc.'))
pt_case('a key that takes forever', lambda f, b: zip_of(f, b'\x80\x02})' + b''.join(b'q' + bytes([i]) + b'h' + bytes([i]) + b'h' + bytes([i]) + b'\x86' for i in range(60)) + b'K\x01s.'))
pt_case('an ordered dictionary with such a key', lambda f, b: zip_of(f, b'\x80\x02ccollections\nOrderedDict\n])' + b''.join(b'q' + bytes([i]) + b'h' + bytes([i]) + b'h' + bytes([i]) + b'\x86' for i in range(60)) + b'K\x01\x86a\x85R.'))
pt_case('a device name that doubles', lambda f, b: zip_of(f, b'\x80\x02ctorch\ndevice\n)' + b''.join(b'q' + bytes([i]) + b'h' + bytes([i]) + b'h' + bytes([i]) + b'\x86' for i in range(40)) + b'\x85R.'))
pt_case('INST', lambda f, b: zip_of(f, b'(S\'touch ' + str(RAN).encode() + b'\'\nios\nsystem\n.'))
pt_case('a set-up of a tensor', lambda f, b: zip_of(f, tensor_pickle()[:-2] + b'}b}b.', four))
pt_case('lists nested without end', lambda f, b: zip_of(f, b'\x80\x02' + b']'*50_000 + b'a'*49_999 + b'.'))
pt_case('a pickle of 50 MB', lambda f, b: zip_of(f, b'\x80\x02' + b'N0'*25_000_000 + b'N.'))
pt_case('compressed', lambda f, b: zip_of(f, tensor_pickle(10**7, (10**7,), (1,)), [('0', bytes(4*10**7))], method=zipfile.ZIP_DEFLATED))
pt_case('a compressed pickle', lambda f, b: zip_of(f, b'\x80\x02' + b'N0'*10_000_000 + b'N.', method=zipfile.ZIP_DEFLATED))
pt_case('no pickle', lambda f, b: zip_of(f, b'', top='x/data.pkl'))
pt_case('two pickles', lambda f, b: zip_of(f, tensor_pickle(), four, [('other/data.pkl', b'N.')]))
pt_case('big-endian', lambda f, b: zip_of(f, tensor_pickle(), four, [('archive/byteorder', b'big')]))
pt_case('members twice', lambda f, b: zip_of(f, tensor_pickle(), four + [('0', bytes(16))]), may_load=True)
pt_case('an old pickle', lambda f, b: f.write_bytes(pickle.dumps({'a': Harm()})))
pt_case('torch 1.5', lambda f, b: __import__('torch').save({'a': __import__('torch').zeros(2)}, f, _use_new_zipfile_serialization=False))
pt_case('a tar', lambda f, b: tarfile.open(f, 'w').close())
pt_case('empty', lambda f, b: f.write_bytes(b''))
pt_case('a text', lambda f, b: f.write_text('weights'))
pt_case('half', lambda f, b: (zip_of(f, tensor_pickle(), four), f.write_bytes(f.read_bytes()[:150])))
pt_case('a pipe', lambda f, b: os.mkfifo(f))
pt_case('a folder', lambda f, b: f.mkdir())
pt_case('nothing but numbers', torch_save(lambda t: {'a': 1, 'b': [1., None]}))
pt_case('one tensor', torch_save(lambda t: t.zeros(3)))
pt_case('a list', torch_save(lambda t: [t.zeros(3)]))
pt_case('state_dict a number', torch_save(lambda t: {'state_dict': 5}))
pt_case('sparse', torch_save(lambda t: {'a': t.eye(3).to_sparse()}))
pt_case('quantised', torch_save(lambda t: {'a': t.quantize_per_tensor(t.zeros(3), 1., 0, t.qint8)}))
pt_case('a module', torch_save(lambda t: t.nn.Linear(2, 2)))
pt_case('names of a CLIP, shapes of none', torch_save(lambda t: {k: t.zeros(2) for k in ('visual.conv1.weight', 'visual.positional_embedding', 'positional_embedding', 'token_embedding.weight', 'visual.proj', 'input_resolution')}))
pt_case('names of a CLIP, no dimensions', torch_save(lambda t: {k: t.zeros(()) for k in ('visual.conv1.weight', 'visual.positional_embedding', 'positional_embedding', 'token_embedding.weight', 'visual.proj', 'input_resolution')}))
pt_case('released names, shapes of none', torch_save(lambda t: {k: t.zeros(3) for k in ('prompt_learner2.ctx', 'image_encoder.prompt_embeddings', 'image_encoder.deep_prompt_embeddings')}))
pt_case('released, a million tokens', torch_save(lambda t: {'prompt_learner2.ctx': t.zeros(10**6, 1), 'image_encoder.prompt_embeddings': t.zeros(1, 2, 4), 'image_encoder.deep_prompt_embeddings': t.zeros(1, 2, 4)}))
pt_case('nan', torch_save(lambda t: {'a': t.tensor([nan])}))

@case('torch file: TorchScript that runs on opening')
def _(base, folder):
    import torch
    source = '''
class M(torch.nn.Module):
    def __init__(self):
        super().__init__(); self.w = torch.nn.Parameter(torch.zeros(2))
    def forward(self, x: torch.Tensor): return x + self.w
    @torch.jit.export
    def __getstate__(self): return (self.w, self.training)
    @torch.jit.export
    def __setstate__(self, state: Tuple[torch.Tensor, bool]):
        self.w = torch.nn.Parameter(state[0]) if False else state[0]
        self.training = state[1]
        n = 0
        while n >= 0: n = n + 1 if n < 1000000000 else 0
'''
    (folder/'m.py').write_text('import torch\nfrom typing import Tuple\n' + source.replace('self.w = torch.nn.Parameter(state[0]) if False else state[0]', 'self.w = state[0]').replace('torch.nn.Parameter(torch.zeros(2))', 'torch.zeros(2)'))
    sys.path.insert(0, str(folder)); import m; sys.path.pop(0); sys.modules.pop('m')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.jit.script(m.M()).save(str(folder/'w.pt'))
    from grmp_iqa.clip.backbones import read_state
    return lambda: read_state(folder/'w.pt')

part = b'c__torch__.M\nM\n)\x81'
def script(pkl): return lambda f, b: zip_of(f, pkl, four, [('archive/constants.pkl', b'N.')])
pt_case('TorchScript inside itself', script(b'\x80\x02' + part + b'q\x00}X\x01\x00\x00\x00ah\x00sb.'))
pt_case('TorchScript that doubles', script(b'\x80\x02' + part + b''.join(b'q' + bytes([i]) + b'0' + part + b'}X\x01\x00\x00\x00ah' + bytes([i]) + b'sX\x01\x00\x00\x00bh' + bytes([i]) + b'sb' for i in range(60)) + b'.'))
pt_case('TorchScript without tensors', script(b'\x80\x02' + part + b'}b.'))


# --- databases ---------------------------------------------------------------------------------------------------------------

def mat_array(name, dims, data, cls=6, kind=9):
    "A MATLAB array that claims what it likes"
    el = lambda t, b: struct.pack('<II', t, len(b)) + b + bytes(-len(b) % 8)
    body = el(6, struct.pack('<II', cls, 0)) + el(5, struct.pack(f'<{len(dims)}i', *dims)) + el(1, name.encode()) + (data if isinstance(data, bytes) and cls == 1 else el(kind, data))
    return el(14, body)

def mat_file(*arrays): return b'MATLAB 5.0 MAT-file'.ljust(124) + struct.pack('<H', 0x0100) + b'IM' + b''.join(arrays)

def database_case(name, database, file, content, may_load=False):
    "A database whose list is replaced; `content` is bytes, or takes the good ones"
    @case(f'database {database}: {name}', may_load)
    def write(base, folder):
        from grmp_iqa.data.databases import load_database
        shutil.copytree(base/database, folder/database)
        path = folder/database/file
        new = content(path.read_bytes()) if callable(content) else content
        path.write_bytes(new)
        return lambda: load_database(database, folder/database)

def zlib_element(data): return (lambda c: struct.pack('<II', 15, len(c)) + c)(__import__('zlib').compress(data))
DMOS, LIVE = 'dmos_realigned.mat', dict(database='live', file='dmos_realigned.mat')
good3 = struct.pack('<3d', 1, 2, 3)
for name, content in {'empty': b'', 'zeros': bytes(200), 'a text': b'no list', 'version 4': struct.pack('<5i', 0, 10**6, 10**6, 0, 5) + b'dmos\0' + good3, 'HDF5': b'\x89HDF\r\n\x1a\n' + bytes(500),
                      'an array of billions': mat_file(mat_array('dmos_new', (1, 2**31 - 1), good3)), 'dimensions negative': mat_file(mat_array('dmos_new', (-1, -3), good3)),
                      'dimensions without end': mat_file(mat_array('dmos_new', (2**30,)*100, good3)), 'a text of billions': mat_file(mat_array('dmos_new', (1, 2**31 - 1), b'', 4, 16)),
                      'cells of billions': mat_file(mat_array('dmos_new', (1, 2**31 - 1), b'', 1)), 'sparse': mat_file(mat_array('dmos_new', (1, 3), good3, 5)), 'a function': mat_file(mat_array('dmos_new', (1, 3), good3, 16)),
                      'other names': mat_file(mat_array('x', (1, 3), good3)), 'three scores': mat_file(mat_array('dmos_new', (1, 3), good3), mat_array('orgs', (1, 3), good3)), 'a bomb': mat_file(zlib_element(bytes(80_000_000))),
                      'a broken stream': mat_file(struct.pack('<II', 15, 20) + b'x'*20), 'an element without end': mat_file(struct.pack('<II', 14, 2**32 - 1)), 'nested bombs': mat_file(zlib_element(zlib_element(bytes(10**6)))),
                      'cells in cells': mat_file(mat_array('dmos_new', (1, 1), mat_array('', (1, 1), mat_array('', (1, 1), mat_array('', (1, 1), mat_array('', (1, 1), mat_array('', (1, 1), b'', 1), 1), 1), 1), 1), 1))}.items():
    database_case(name, **LIVE, content=content)
database_case('half', **LIVE, content=lambda b: b[:len(b)//2])

def sheet(change):
    "A spreadsheet made by openpyxl"
    import openpyxl
    book = openpyxl.Workbook(); book.active.title = 'all_by_image'
    change(book.active)
    book.save(out := io.BytesIO())
    return out.getvalue()
def with_member(name, text, method=zipfile.ZIP_DEFLATED):
    "The good spreadsheet with a member replaced"
    def change(data):
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, 'w', method) as new:
            for m in old.infolist(): new.writestr(m.filename, text if m.filename == name else old.read(m))
        return out.getvalue()
    return change
laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">' + b''.join(b'<!ENTITY %c "%s">' % (98 + i, b'&%c;' % (97 + i)*10) for i in range(12)) + b']><x>&m;</x>'
for name, content in {'empty': b'', 'a text': b'no sheet', 'two cells': lambda b: sheet(lambda s: (s.__setitem__('A1048576', 1), s.__setitem__('XFD1', 'dmos'))), 'a bomb': lambda b: with_member('xl/styles.xml', b' '*100_000_000)(b),
                      'laughs': with_member('xl/workbook.xml', laughs), 'no sheets': with_member('xl/workbook.xml', b'<workbook/>'), 'XML torn': with_member('xl/worksheets/sheet1.xml', b'<worksheet><sheetData><row'),
                      'no column': lambda b: sheet(lambda s: s.append(['a', 'b'])), 'words for scores': lambda b: sheet(lambda s: (s.append(['image', 'dst_idx', 'dst_type', 'dst_lev', 'dmos_std', 'dmos']), s.append(['1600', 1, 'noise', 1, .1, 'good']))),
                      'a kind unknown': lambda b: sheet(lambda s: (s.append(['image', 'dst_idx', 'dst_type', 'dst_lev', 'dmos_std', 'dmos']), s.append(['1600', 1, 'evil', 1, .1, .5]))),
                      'half': lambda b: b[:len(b)//2]}.items():
    database_case(name, 'csiq', 'csiq.DMOS.xlsx', content)
for name, content in {'empty': b'', 'zeros': bytes(1000), 'commas': b','*1_000_000, 'latin1': b'dist_img,ref_img,dmos,var\n\xff,\xff,1,1\n', 'no column': b'a,b\n1,2\n', 'quotes open': b'dist_img,ref_img,dmos,var\n"I01_01_01.png,a,1,1\n',
                      'nan': b'dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,nan,1\n', 'infinite': b'dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,1e999,1\n', 'words': b'dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,good,1\n',
                      'a path': b'dist_img,ref_img,dmos,var\n../../../etc/passwd_01_01,I01.png,1,1\n', 'a kind too many': b'dist_img,ref_img,dmos,var\nI01_99_01.png,I01.png,1,1\n', 'no rows': b'dist_img,ref_img,dmos,var\n',
                      'ragged': b'dist_img,ref_img,dmos,var\n1,2,3,4,5,6\n', 'numbers for names': b'dist_img,ref_img,dmos,var\n1,2,3,4\n', 'long': b'dist_img,ref_img,dmos,var\n' + b'x'*70_000_000}.items():
    database_case(name, 'kadid10k', 'dmos.csv', content)
for name, content in {'empty': b'', 'words': b'good i01_01_1.bmp\n', 'one column': b'5.5\n', 'binary': bytes(range(256)), 'a kind unknown': b'5 i01_99_1.bmp\n', 'nan': b'nan i01_01_1.bmp\n'}.items():
    database_case(name, 'tid2013', 'mos_with_names.txt', content)


# --- archives ----------------------------------------------------------------------------------------------------------------

def archive_case(name, write, suffix='.zip', may_load=False):
    "An archive to unpack; nothing may appear outside the folder, nor a link inside"
    @case(f'archive {name}', may_load)
    def make(base, folder):
        from grmp_iqa.data.download import extract
        write(folder/f'a{suffix}')
        def call():
            before = set(folder.iterdir())
            try: out = extract(folder/f'a{suffix}', folder/'out')
            finally: assert set(folder.iterdir()) - {folder/'out'} == before and not any(p.is_symlink() for p in folder.rglob('*'))
            assert sum(f.stat().st_size for f in out.rglob('*')) < 2e8
        return call

def zipped(*members, method=zipfile.ZIP_STORED):
    def write(file):
        with warnings.catch_warnings(), zipfile.ZipFile(file, 'w', method) as z:
            warnings.simplefilter('ignore')
            for name, data, *mode in members:
                info = zipfile.ZipInfo(name); info.compress_type = method
                if mode: info.create_system, info.external_attr = 3, mode[0] << 16
                z.writestr(info, data)
    return write

def tarred(*members, mode='w'):
    def write(file):
        with tarfile.open(file, mode) as t:
            for name, data, *more in members:
                info = tarfile.TarInfo(name); info.size = len(data)
                for k, v in (more[0] if more else {}).items(): setattr(info, k, v)
                t.addfile(info, io.BytesIO(data))
    return write

for name, where in {'out by dots': '../evil', 'absolute': '/tmp/grmp-evil', 'backslashes': '..\\evil', 'dots within': 'a/../../evil', 'a long name': 'x'*5000, 'a name of dots': '..'}.items():
    archive_case(f'zip {name}', zipped((where, b'evil'))); archive_case(f'tar {name}', tarred((where, b'evil')), '.tar')
archive_case('zip bomb', zipped(('zeros', bytes(300_000_000)), method=zipfile.ZIP_DEFLATED))
archive_case('zip bomb in many files', zipped(*((f'{i}', bytes(30_000_000)) for i in range(10)), method=zipfile.ZIP_DEFLATED))
archive_case('zip link', zipped(('link', b'/etc', 0o120777)))
archive_case('zip device', zipped(('dev', b'', 0o020666)))
archive_case('zip pipe', zipped(('pipe', b'', 0o010666)))
archive_case('zip twice', zipped(('a', b'1'), ('a', b'2')))
archive_case('zip twice by dots', zipped(('a', b'1'), ('./b/../a', b'2')))
archive_case('zip file and folder', zipped(('a', b'1'), ('a/b', b'2')))
archive_case('zip set-uid', zipped(('a', b'1', 0o104777)), may_load=True)
archive_case('zip empty', zipped(), may_load=True)
archive_case('zip claims less', lambda f: (zipped(('a', b'x'*1000))(f), f.write_bytes(f.read_bytes().replace(struct.pack('<I', 1000), struct.pack('<I', 10)))))
archive_case('zip claims more', lambda f: (zipped(('a', b'x'*1000))(f), f.write_bytes(f.read_bytes().replace(struct.pack('<I', 1000), struct.pack('<I', 2**31)))))
archive_case('zip checksum', lambda f: (zipped(('a', b'x'*1000))(f), f.write_bytes(f.read_bytes().replace(b'xxxx', b'xxxy', 1))))
archive_case('zip method unknown', lambda f: (zipped(('a', b'x'))(f), f.write_bytes(f.read_bytes().replace(b'PK\x03\x04\x14\0\0\0\0\0', b'PK\x03\x04\x14\0\0\0\x63\0').replace(b'PK\x01\x02\x14\x03\x14\0\0\0\0\0', b'PK\x01\x02\x14\x03\x14\0\0\0\x63\0'))))
archive_case('zip locked', lambda f: (zipped(('a', b'x'))(f), f.write_bytes(f.read_bytes().replace(b'PK\x03\x04\x14\0\0\0', b'PK\x03\x04\x14\0\x01\0').replace(b'PK\x01\x02\x14\x03\x14\0\0\0', b'PK\x01\x02\x14\x03\x14\0\x01\0'))))
archive_case('zip half', lambda f: (zipped(('a', b'x'*10_000))(f), f.write_bytes(f.read_bytes()[:5000])))
archive_case('zip of end marks', lambda f: f.write_bytes(b'PK\x05\x06' + b'\xff'*18))
for name, kind in {'link': dict(type=tarfile.SYMTYPE, linkname='/etc'), 'hard link': dict(type=tarfile.LNKTYPE, linkname='/etc/passwd'), 'device': dict(type=tarfile.CHRTYPE), 'block device': dict(type=tarfile.BLKTYPE),
                   'pipe': dict(type=tarfile.FIFOTYPE), 'link inside': dict(type=tarfile.SYMTYPE, linkname='b')}.items(): archive_case(f'tar {name}', tarred(('a', b'', kind)), '.tar')
archive_case('tar set-uid', tarred(('a', b'1', dict(mode=0o4777))), '.tar', True)
archive_case('tar twice', tarred(('a', b'1'), ('a', b'2')), '.tar')
archive_case('tar through a link', tarred(('l', b'', dict(type=tarfile.SYMTYPE, linkname='/tmp')), ('l/evil', b'x')), '.tar')
archive_case('tgz bomb', tarred(('zeros', bytes(300_000_000)), mode='w:gz'), '.tgz')
archive_case('tbz bomb', tarred(('zeros', bytes(150_000_000)), mode='w:bz2'), '.tbz')
archive_case('tbz of zeros', lambda f: f.write_bytes(bz2.compress(bytes(1_000_000))*300), '.tbz', True)
archive_case('txz', lambda f: f.write_bytes(lzma.compress(bytes(10_000))), '.txz')
archive_case('tgz half', lambda f: (tarred(('a', os.urandom(50_000)), mode='w:gz')(f), f.write_bytes(f.read_bytes()[:20_000])), '.tgz')
archive_case('tgz checksum', lambda f: (tarred(('a', b'x'*5000), mode='w:gz')(f), f.write_bytes(f.read_bytes()[:-8] + bytes(8))), '.tgz', True)
archive_case('tar size negative', lambda f: f.write_bytes((lambda i: i.tobuf()[:124] + b'\xff'*12 + i.tobuf()[136:])(tarfile.TarInfo('a')) + bytes(1024)), '.tar')

def header_block(kind, size):
    i = tarfile.TarInfo('a'); i.type, i.size = kind, size
    return i.tobuf(tarfile.GNU_FORMAT)
archive_case('tgz of a name without end', lambda f: f.write_bytes(gzip.compress(header_block(tarfile.GNUTYPE_LONGNAME, 200_000_000) + bytes(200_000_000), 1)), '.tgz')
archive_case('tgz of a header without end', lambda f: f.write_bytes(gzip.compress(header_block(tarfile.XHDTYPE, 200_000_000) + bytes(200_000_000), 1)), '.tgz')
archive_case('tar of a terabyte', lambda f: f.write_bytes(header_block(tarfile.REGTYPE, 10**12) + bytes(1024)), '.tar')
archive_case('tar sparse', lambda f: f.write_bytes((lambda b: b[:483] + b'77777777777\0' + b[495:])(header_block(tarfile.GNUTYPE_SPARSE, 512)) + bytes(2048)), '.tar')
archive_case('empty', lambda f: f.write_bytes(b''))
archive_case('a text', lambda f: f.write_text('no archive'))
archive_case('a pipe', lambda f: os.mkfifo(f))
archive_case('a folder', lambda f: f.mkdir())


# --- running them ------------------------------------------------------------------------------------------------------------

def make_base(base):
    "The good files that the cases change"
    import torch
    from safetensors.torch import save_file
    from grmp_iqa.clip.backbones import build_clip, load_clip
    from grmp_iqa.prompts import QualityCLIP
    from grmp_iqa.scoring import Scorer
    config = dict(embed_dim=16, quick_gelu=True, vision_cfg=dict(image_size=32, patch_size=16, width=64, layers=2), text_cfg=dict(context_length=77, vocab_size=49408, width=32, heads=2, layers=1))
    torch.manual_seed(0)
    (base/'backbone').mkdir(); state = build_clip(config).state_dict()
    (base/'backbone'/'open_clip_config.json').write_text(json.dumps(dict(model_cfg=config, preprocess_cfg=dict(mean=[.5]*3, std=[.25]*3))))
    save_file(state, base/'backbone'/'open_clip_model.safetensors')
    (base/'packaged').mkdir()
    (base/'packaged'/'open_clip_config.json').write_text(json.dumps(dict(model_cfg=config, views=dict(size=32, squash=32))))
    ids = torch.arange(0, 49408, 50)
    save_file({**{k: v.half() for k, v in state.items()}, 'token_embedding.weight': state['token_embedding.weight'][ids].half(), 'token_ids': ids, 'vocab_size': torch.tensor(49408)}, base/'packaged'/'open_clip_model.safetensors')
    model = QualityCLIP(load_clip(base/'backbone', device='cpu'), text_tokens=2, visual_tokens=2)
    model.save_prompts(base/'prompts.safetensors')
    Scorer.from_model(model.eval(), scale=dict(low=1, high=5, higher_is_better=True)).save(base/'scorer')
    lists = {'live': [DMOS, 'refnames_all.mat', 'jp2k/img1.bmp'], 'csiq': ['csiq.DMOS.xlsx', 'dst_imgs/awgn/1600.AWGN.1.png'], 'kadid10k': ['dmos.csv', 'images/I01_01_01.png'], 'tid2013': ['mos_with_names.txt', 'distorted_images/i01_01_1.bmp']}
    for database, files in lists.items():
        for f in files: (base/database/f).parent.mkdir(parents=True, exist_ok=True); (base/database/f).write_bytes(b'')
    cells = mat_array('refnames_all', (1, 2), mat_array('', (1, 1), b'a', 4, 16)*2, 1)
    (base/'live'/'refnames_all.mat').write_bytes(mat_file(cells)); (base/'live'/DMOS).write_bytes(mat_file(mat_array('dmos_new', (1, 3), good3)))
    (base/'csiq'/'csiq.DMOS.xlsx').write_bytes(sheet(lambda s: s.append(['image', 'dmos'])))


class NoNetwork(socket.socket):
    "A socket that none of these files may open"
    def __init__(self, *a, **k): attempts.append(1); raise AssertionError('a socket was opened')
attempts = []

def memory(what):
    "Megabytes of this process: 'VmRSS' now, 'VmHWM' at most since `forget`; of Linux alone"
    return int(next(l for l in Path('/proc/self/status').read_text().splitlines() if l.startswith(what)).split()[1])//1024

def forget():
    "Begin to watch for the most memory anew"
    Path('/proc/self/clear_refs').write_text('5')

def attempt(name, base):
    "Write a case and try it: dict with outcome, sentence, seconds, megabytes"
    from grmp_iqa.core import IQAError
    write, may_load = CASES[name]
    folder = Path(tempfile.mkdtemp(dir=base.parent)); call = write(base, folder)
    forget()
    before, start = memory('VmRSS'), time.time()
    try:
        made = call()
        if hasattr(made, 'score_tensor'):
            from PIL import Image
            assert 0 <= made(Image.new('RGB', (40, 50))) <= 1
        outcome, said = 'loaded', ''
    except IQAError as e: outcome, said = 'refused', str(e)
    except BaseException as e: outcome, said = 'traceback', ''.join(traceback.format_exception(e))[-1500:]
    if outcome == 'refused' and ('\n' in said or len(said) > 900): outcome = 'no sentence'
    found = dict(name=name, outcome=outcome, said=said, seconds=round(time.time() - start, 2), megabytes=memory('VmHWM') - before,
                 ran=RAN.exists(), sockets=len(attempts), expected=may_load)
    shutil.rmtree(folder, ignore_errors=True); RAN.unlink(missing_ok=True); attempts.clear()
    return found

def all_attempts(words='', out=None):
    "Try the cases whose names hold the words; gives their results, and writes them as lines of JSON"
    warnings.simplefilter('ignore')
    work = Path(tempfile.mkdtemp()); base = work/'base'; base.mkdir()
    import torch, grmp_iqa.learner; torch.set_num_threads(1)   # urllib3 opens a socket when it is imported
    make_base(base)
    resource.setrlimit(resource.RLIMIT_AS, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*1024 + (12 << 30),)*2)
    before, socket.socket, found = 'transformers' in sys.modules, NoNetwork, []
    for name in CASES:
        if words not in name: continue
        found.append(attempt(name, base))
        if out: print(json.dumps(found[-1]), file=out, flush=True)
    shutil.rmtree(work, ignore_errors=True)
    if out: print(json.dumps(dict(name='transformers imported', outcome='refused' if before or 'transformers' not in sys.modules else 'traceback')), file=out, flush=True)
    return found

def table(found):
    "Counts by kind of file"
    import pandas as pd
    kinds = {}
    for f in found: kinds.setdefault(f['name'].split()[0], []).append(f)
    def row(kind, rows):
        n = lambda *outcomes: sum(r['outcome'] in outcomes for r in rows)
        return dict(kind=kind, tried=len(rows), refused=n('refused'), loaded=n('loaded'), tracebacks=n('traceback', 'no sentence'), code_ran=sum(r['ran'] for r in rows),
                    sockets=sum(r['sockets'] for r in rows), most_megabytes=max(r['megabytes'] for r in rows), most_seconds=max(r['seconds'] for r in rows))
    return pd.DataFrame([row(kind, rows) for kind, rows in {**kinds, 'all': found}.items()])

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('words', nargs='*', help='try only the cases whose names hold these')
    p.add_argument('--json', action='store_true', help='print a line for each case')
    p.add_argument('--csv', help='table to write')
    o = p.parse_args()
    if o.json: all_attempts(out=sys.stdout)
    else:
        found = all_attempts(' '.join(o.words))
        for f in found:
            if f['outcome'] in ('traceback', 'no sentence') or f['outcome'] == 'loaded' and not f['expected'] or f['ran'] or f['sockets'] or f['megabytes'] > 150 or f['seconds'] > 5: print(json.dumps(f, indent=1).replace('\\n', '\n'))
        print(table(found).to_string(index=False))
        if o.csv: table(found).to_csv(o.csv, index=False)
