"""A whole archive on one machine: photographs a second, cores in use, memory.

    python benchmarks/archive.py                                  # both ways of using the cores, with tiny; then a million rows in constant memory
    python benchmarks/archive.py --csv nbs/results/archive.csv    # also write the table
    python benchmarks/archive.py --backbone ViT-B-16-quickgelu --photos 48 --rows 0
"""
import argparse, itertools, os, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd, torch

sys.path.insert(0, str(Path(__file__).parent))
from speed import backbone
from grmp_iqa.data.samples import sample_photos
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.scoring import Scorer
from grmp_iqa.use.archive import score_archive


def memory(): return int(Path('/proc/self/status').read_text().split('VmRSS:')[1].split()[0])/1e6   # GB, Linux


def measured(work):
    "Seconds, seconds of all cores together, and what came out."
    start, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - start, time.process_time() - cpu, found


def split_among_cores(scorer, files, workers, size=8):
    "The usual way: decode ahead on threads, and let PyTorch share out each multiplication."
    torch.set_num_threads(workers)
    with ThreadPoolExecutor(workers) as pool:
        ahead = pool.map(scorer.crops.fixed, files)
        for i in range(0, len(files), size): scorer.score_tensor(torch.stack(list(itertools.islice(ahead, size))))


def a_batch_for_each_core(scorer, files, workers):
    torch.set_num_threads(1)
    for _ in scorer.stream(files, workers=workers): pass


WAYS = {'split among cores': split_among_cores, 'a batch for each core': a_batch_for_each_core}


class Instant(Scorer):
    "A scorer that costs nothing, to see what the rest costs."
    def _score_batch(self, images, gate): return [(.5, '', '')]*len(images)


def rows(scorer, n):
    "Score n photographs that are not there into a CSV, resume it at its end, and note the memory on the way."
    instant, seen = Instant(scorer.net.visual, scorer.net.visual_prompt, scorer.text, scorer.card), []
    def paths():
        for i in range(n):
            if i % (n//10) == n//20: seen.append(memory())
            yield f'photos/{i//1000:04}/{i:07}.jpg'
    with tempfile.TemporaryDirectory() as tmp:
        for what in ('written', 'found again'):
            wall, cpu, counts = measured(lambda: score_archive(instant, paths(), Path(tmp)/'scores.csv', batch_size=64))
            assert counts.scored == n
            yield dict(what=f'{n:,} rows {what}', photos=n, workers=os.cpu_count(), rate=n/wall, cores=cpu/wall, cpu_ms=1000*cpu/n, memory=max(seen))
            print(f"{n:,} rows {what}: memory, GB, from the beginning to the end: {', '.join(f'{m:.2f}' for m in seen)}", flush=True)
            seen.clear()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--backbone', default='tiny'); p.add_argument('--photos', type=int, default=400); p.add_argument('--repeats', type=int, default=3)
    p.add_argument('--rows', type=int, default=1_000_000); p.add_argument('--csv')
    o = p.parse_args()
    scorer = Scorer.from_model(QualityCLIP(backbone(o.backbone, 'cpu'), text_tokens=0).eval())
    files = list(itertools.islice(itertools.cycle(sorted(sample_photos()[0].iterdir())), o.photos))
    found = []
    for way in WAYS.values(): way(scorer, files[:16], os.cpu_count())   # not counted
    for _ in range(o.repeats):   # by turns, as the machine may have other work
        for workers in sorted({1, os.cpu_count()}):
            for name, way in WAYS.items():
                wall, cpu, _ = measured(lambda: way(scorer, files, workers))
                found.append(dict(what=f'{name}, {o.backbone} in {scorer.provenance["precision"]}', photos=o.photos, workers=workers, rate=o.photos/wall, cores=cpu/wall, cpu_ms=1000*cpu/o.photos, memory=memory()))
    found = pd.DataFrame(found).groupby(['what', 'photos', 'workers'], sort=False, as_index=False).median()
    if o.rows: found = pd.concat([found, pd.DataFrame(rows(scorer, o.rows))], ignore_index=True)
    found = found.round(dict(rate=1, cores=2, cpu_ms=3, memory=2)).assign(load=round(os.getloadavg()[0], 1)).rename(
        columns=dict(rate='photos/s', cores='cores in use', cpu_ms='ms of a core for each', memory='memory, GB', load='load of the machine'))
    print(found.to_string(index=False))
    if o.csv: found.to_csv(o.csv, index=False)


if __name__ == '__main__': main()
