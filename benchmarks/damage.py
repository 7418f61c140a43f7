"How much damage is noticed: bits of files turned over at random, their scores compared. python benchmarks/damage.py [--out nbs/results/damage.csv]"
import argparse, io, random
from pathlib import Path

import pandas as pd
from PIL import Image

from grmp_iqa.core import ImageError
from grmp_iqa.data.samples import sample_photos
from grmp_iqa.scoring import Scorer

KINDS = {'JPEG': None, 'JPEG, progressive': dict(format='JPEG', progressive=True, quality=90), 'PNG': dict(format='PNG'), 'WebP': dict(format='WEBP', quality=90),
         'WebP, lossless': dict(format='WEBP', lossless=True, method=0), 'GIF': dict(format='GIF'), 'TIFF': dict(format='TIFF', compression='tiff_lzw'),
         'BMP': dict(format='BMP'), 'JPEG 2000': dict(format='JPEG2000', quality_layers=[20])}


def as_kind(data, how):
    "The photograph as a file of another kind"
    if how is None: return data
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert('RGB').save(out, **how)
    return out.getvalue()


def measure(files, each):
    "A row for each kind: files, refused, moved by more than 0.01, noticed among these, the largest change that was not noticed"
    scorer, rng, rows = Scorer.load('tiny', device='cpu'), random.Random(0), []
    for kind, how in KINDS.items():
        refused, moved, noticed, missed, false = 0, 0, 0, [0], 0
        for i in range(each if how else 3*each):
            data = as_kind(files[i % len(files)].read_bytes(), how)
            bad, notes, none = bytearray(data), [], []
            for _ in range(rng.choice((1, 1, 4, 16))): bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            before = float(scorer.score_tensor(scorer.crops.fixed(data, none)[None]))
            false += bool(none)
            try: after = float(scorer.score_tensor(scorer.crops.fixed(bytes(bad), notes)[None]))
            except ImageError: refused += 1; continue
            if abs(after - before) <= .01: continue
            moved += 1
            if notes: noticed += 1
            else: missed.append(abs(after - before))
        rows.append(dict(format=kind, files=i + 1, refused=refused, moved=moved, noticed=noticed, largest_missed=round(max(missed), 3), false_alarms=false))
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--out', default='nbs/results/damage.csv')
    p.add_argument('--each', type=int, default=26, help='files a kind; three times as many of plain JPEG')
    o = p.parse_args()
    measure(sorted(sample_photos()[0].glob('*.jpg'))[::5], o.each).to_csv(Path(o.out), index=False)
