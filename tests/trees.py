"""Small trees of published databases, in the layout their authors chose: real layouts, invented photographs and scores.

Each writer makes the folder `root/<name>` and gives its path, so that `load_benchmark(name, root/name)` reads it. The
photographs are cut-outs of the pristine ones that ship, made worse by a known level, so that there is something to learn.
"""
from functools import cache
from pathlib import Path

import numpy as np, pandas as pd
from PIL import Image
from scipy.io import savemat

from grmp_iqa.data.distortions import DISTORTIONS, TID2013_KINDS, distort
from grmp_iqa.data.samples import pristine_photos

LEVELS = range(1, 6)


@cache
def scene(i, side):
    "A square from the middle of a pristine photograph"
    photos = list(pristine_photos().values())
    image = Image.open(photos[i % len(photos)]).convert('RGB')
    short = min(image.size)
    left, top = (image.width - short)//2, (image.height - short)//2
    return image.crop((left, top, left + short, top + short)).resize((side, side))

def worse(i, side, kind, level):
    "A scene with a distortion; kinds that the package can't make become noise of their own strength"
    image = scene(i, side)
    if kind in DISTORTIONS: return distort(image, kind, level)
    noise = np.random.default_rng([i, level]).normal(0, 12*level, (side, side, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))

def score(rng, level, low, high):
    "An opinion score on the database's scale, lower for a higher level"
    return float(np.clip(high - (high - low)*(level - .5)/5 + rng.normal(0, .04)*(high - low), low, high))

def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format={'.jpg': 'JPEG', '.png': 'PNG'}.get(path.suffix.lower(), 'BMP'))


def tid2013(root, scenes=4, kinds=(1, 8, 10, 16, 24), levels=LEVELS, side=64):
    "distorted_images/i01_01_1.bmp: scene, number of the kind, level; upper and lower case are mixed, as published"
    folder, rng, lines = Path(root)/'tid2013', np.random.default_rng(0), []
    for s in range(1, scenes + 1):
        for k in kinds:
            for l in levels:
                name = f'{"Ii"[s % 2]}{s:02}_{k:02}_{l}'
                save(worse(s - 1, side, TID2013_KINDS.kind[k], l), folder/'distorted_images'/(name + ('.BMP' if s == 2 else '.bmp')))
                lines.append(f'{score(rng, l, 0, 9):.5f} {name}.bmp')
    (folder/'mos_with_names.txt').write_text('\n'.join(lines) + '\n')
    (folder/'mos_std.txt').write_text('0.10000\n'*len(lines))
    return folder

def kadid10k(root, scenes=4, kinds=(1, 2, 10, 18, 25), levels=LEVELS, side=64):
    "images/I01_01_01.png and dmos.csv, whose `dmos` is high where the image is good"
    folder, rng, rows, ours = Path(root)/'kadid10k', np.random.default_rng(1), [], list(DISTORTIONS)
    for s in range(1, scenes + 1):
        for k in kinds:
            for l in levels:
                name = f'I{s:02}_{k:02}_{l:02}.png'
                save(worse(s + 5, side, ours[k-1], l), folder/'images'/name)
                rows.append((name, f'I{s:02}.png', round(score(rng, l, 1, 5), 2), .5))
    pd.DataFrame(rows, columns=['dist_img', 'ref_img', 'dmos', 'var']).to_csv(folder/'dmos.csv', index=False)
    return folder

def authentic(folder, names, side, rng):
    "Photographs of many scenes with a random fault each, and the level of the fault"
    levels = rng.integers(1, 6, len(names))
    for i, (name, level) in enumerate(zip(names, levels)):
        save(worse(i, side, ('gaussian_blur', 'white_noise', 'jpeg', 'darken')[i % 4], int(level)), folder/name)
    return levels

def livec(root, photos=40, side=96):
    "Images/*.bmp, seven of them only to train the observers, and three MATLAB files"
    folder, rng = Path(root)/'livec', np.random.default_rng(2)
    training = [f't{i}.bmp' for i in range(1, 8)]
    rated = [f'{i}.bmp' if i % 5 else f'{i}.JPG' for i in range(1, photos + 1)]
    levels = np.concatenate([authentic(folder/'Images'/'trainingImages', training, side, rng), authentic(folder/'Images', rated, side, rng)])
    arrays = dict(Images=np.array([[n] for n in training + rated], dtype=object), MOS=np.array([[score(rng, l, 0, 100) for l in levels]]),
                  StdDev=np.full((1, len(levels)), 15.))
    (folder/'Data').mkdir(exist_ok=True)
    for name, values in arrays.items(): savemat(folder/'Data'/f'All{name}_release.mat', {f'All{name}_release': values})
    return folder

def koniq10k(root, photos=60, side=96):
    "1024x768/*.jpg and the list with the official split; scores from 0 to 100"
    folder, rng = Path(root)/'koniq10k', np.random.default_rng(3)
    names = [f'{10_004_473 + i}.jpg' for i in range(photos)]
    levels = authentic(folder/'1024x768', names, side, rng)
    split = np.array(['training', 'training', 'training', 'validation', 'test'])[np.arange(photos) % 5]
    pd.DataFrame({'image_name': names, 'MOS': [score(rng, l, 0, 100) for l in levels], 'SD': .6, 'set': split}).to_csv(folder/'koniq10k_distributions_sets.csv', index=False)
    return folder

WRITERS = {f.__name__: f for f in (tid2013, kadid10k, livec, koniq10k)}

def write(root, *names, **kwargs):
    "Several databases below one folder, all four by default"
    for name in names or WRITERS: WRITERS[name](root, **kwargs)
    return Path(root)
