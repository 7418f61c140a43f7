"""Mutated photographs of every format, for a while:

    python benchmarks/photos.py --seconds 150 --seed 1 [--csv nbs/results/photos.csv]

Each has to end in crops or in an `ImageError` of one line. Prints how many did which, the most time that one took, and the most memory of all.
"""
import argparse, random, resource, sys, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]/'tests'))
import badfiles as bad
import pandas as pd
from grmp_iqa.clip.crops import Crops
from grmp_iqa.core import ImageError


def main():
    p = argparse.ArgumentParser(description='Mutated photographs of every format.')
    p.add_argument('--seconds', type=float, default=60)
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--csv', type=Path, help='table to write')
    o = p.parse_args()
    crops, files, rng = Crops(size=64, squash=None, grid=3, half_grid=2, whole=True), bad.of_every_kind(), random.Random(o.seed)
    for kind, package in (('AVIF', 'PIL.AvifImagePlugin'), ('HEIF', 'pillow_heif'), ('JXL', 'pillow_jxl')):
        try: getattr(__import__(package), 'register_heif_opener', lambda: None)(); files[kind] = bad.saved(bad.photo(), kind)
        except (ImportError, KeyError): print(f'without {kind}')
    counts, slowest, end = dict(scored=0, warned=0, refused=0), 0, time.time() + o.seconds
    while time.time() < end:
        data, notes, start = bad.mutated(files, rng), [], time.process_time()
        try: crops.fixed(data, notes); counts['warned' if notes else 'scored'] += 1
        except ImageError as e:
            if '\n' in str(e): raise
            counts['refused'] += 1
        slowest = max(slowest, time.process_time() - start)
    memory = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e3)
    table = pd.DataFrame([dict(kinds=len(files), files=sum(counts.values()), **counts, slowest_seconds=round(slowest, 2), megabytes=memory, seed=o.seed)])
    print(table.to_string(index=False))
    if o.csv: table.to_csv(o.csv, index=False)


if __name__ == '__main__': main()
