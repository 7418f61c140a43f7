"""What the authors' released code computes, and the deterministic arrays it computed it on.

The figures are in `data/reference_*.json`; every array depends on a salt and its own name alone, so that it needs no file.
"""
import json, math, re, zlib
from pathlib import Path

import numpy as np, torch

FIGURES = {name: json.loads((Path(__file__).parent/'data'/f'reference_{name}.json').read_text()) for name in ('small', 'meta')}


def rng(tag, salt='open'): return np.random.Generator(np.random.PCG64(zlib.crc32(f'{salt}:{tag}'.encode())))

def normal(tag, shape): return torch.from_numpy(rng(tag).standard_normal(tuple(shape), dtype=np.float32))


def weight(name, shape):
    "The value of a parameter of the reference network"
    z = normal(name, shape)
    if name.endswith('logit_scale'): return torch.full(tuple(shape), math.log(20.))
    if re.search(r'(ln_\w+|prompt_norm)\.weight$', name): return 1 + 0.1*z
    if name.endswith('bias'): return 0.05*z
    if 'embedding' in name or name.endswith('ctx'): return 0.2*z
    return z*math.prod(shape[1:])**-0.5 if len(shape) > 1 else z

def checkpoint():
    "The reference network as a released checkpoint"
    bare = lambda key: key.replace('image_encoder.', 'visual.').replace('text_encoder.', '')
    return {key: weight(bare(key), shape) for key, shape in FIGURES['small']['state_keys'].items()}


def task_batches(tag, n=2, batch=4, size=64):
    "`n` batches of (images, ratings) for the meta-learning figures"
    r = rng(tag)
    arrays = [(r.standard_normal((batch, 3, size, size), dtype=np.float32), r.random((batch, 1), dtype=np.float32)) for _ in range(n)]
    return [tuple(map(torch.from_numpy, pair)) for pair in arrays]


def assert_same(ours, theirs):
    "Agreement with the authors' code: float32, relative 1e-4"
    torch.testing.assert_close(torch.as_tensor(ours), torch.as_tensor(theirs), rtol=1e-4, atol=1e-6)
