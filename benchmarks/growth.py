"""How time and memory grow with images scored, shots, tokens, image size and draws; each point in a process of its own.

    python benchmarks/growth.py                            # up to 10,000 images
    python benchmarks/growth.py --most-images 100000       # takes hours
    python benchmarks/growth.py --csv nbs/results/growth.csv
"""
import argparse, json, resource, shutil, subprocess, sys, tempfile, time
from pathlib import Path

import pandas as pd, torch

from grmp_iqa.core import set_seed
from grmp_iqa.data.scenes import render_scene
from grmp_iqa.data.synthetic import rendered_target
from grmp_iqa.clip.backbones import load_clip


def images(n):
    "Score n images of 512 x 512 pixels with tiny."
    from grmp_iqa.scoring import Scorer
    tmp, scorer = tempfile.mkdtemp(), Scorer.load('tiny')
    for i in range(20): render_scene('plant', i, 512).save(Path(tmp)/f'{i}.jpg')
    files = sorted(Path(tmp).iterdir())*(n//20)
    def work():
        table = scorer.score_images(files)
        shutil.rmtree(tmp)
        assert not any(table.error)
    return work


def shots(n):
    "Adapt tiny to n rated images for six epochs."
    from grmp_iqa.learner import IQADataLoaders, iqa_learner
    table = rendered_target(n, size=224)
    def work():
        set_seed(0)
        learn = iqa_learner(IQADataLoaders.from_table(table, valid=0), 'tiny')
        with learn.no_bar(), learn.no_logging(): learn.fine_tune(6)
    return work


def tokens(n):
    "One inner step of meta-learning on 16 images with n visual prompt tokens at each block of tiny."
    from grmp_iqa.meta import adapt
    from grmp_iqa.prompts import QualityCLIP
    bb = load_clip('tiny')
    model = QualityCLIP(bb, visual_tokens=n, precision='auto').train()
    batch = torch.randn(16, bb.crops.train, 3, bb.crops.size, bb.crops.size), torch.linspace(0, 1, 16)
    theta = {k: p.detach().clone() for k,p in model.prompt_state().items()}
    return lambda: adapt(model, theta, [batch])


def megapixels(n):
    "Score one JPEG file of n million pixels with tiny."
    from grmp_iqa.scoring import Scorer
    side, scorer, tmp = round((n*1e6)**.5), Scorer.load('tiny'), tempfile.mkdtemp()
    file = Path(tmp)/'large.jpg'
    render_scene('landscape', 0, 640).resize((side, side)).save(file, quality=92)
    def work():
        scorer.score_images([file])
        shutil.rmtree(tmp)
    return work


def draws(n):
    "n draws of 30 shots from 60 images, each adapted for two epochs with gradient regularisation."
    from grmp_iqa.data.splits import few_shot_splits
    from grmp_iqa.evidence.baselines import Setting, fine_tuned
    bb, table = load_clip('tiny'), rendered_target(60, size=160)
    splits = few_shot_splits(table, shots=30, draws=n)
    return lambda: [fine_tuned(table.iloc[s.shots], Setting(bb, table, epochs=2), rule='aligned') for s in splits]


POINTS = dict(images=(1000, 10000, 100000), shots=(10, 50, 200), tokens=(0, 8, 32, 100), megapixels=(1, 12, 50), draws=(1, 5, 10))


def measure(what, n):
    "Seconds, and peak memory in GB before and after, of one point."
    work = globals()[what](n)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    work()
    return time.perf_counter() - start, before/1e6, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e6


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--most-images', type=int, default=10000, help='leave out points with more images')
    p.add_argument('--only', choices=list(POINTS), help='measure this alone')
    p.add_argument('--csv', help='file to write the table to')
    p.add_argument('--what', help=argparse.SUPPRESS); p.add_argument('--n', type=int, help=argparse.SUPPRESS)
    o, rows = p.parse_args(), []
    if o.what: return print(json.dumps(measure(o.what, o.n)))
    columns = ['what grows', 'to', 'seconds', 'peak memory before, GB', 'and after, GB']
    print(f"| {' | '.join(columns)} |\n{'| --- '*5}|")
    for what, points in POINTS.items():
        for n in points:
            if o.only not in (None, what) or what == 'images' and n > o.most_images: continue
            done = subprocess.run([sys.executable, '-W', 'ignore', __file__, f'--what={what}', f'--n={n}'], capture_output=True, text=True)
            if done.returncode: sys.exit(done.stderr)
            rows.append([what, n, *(round(v, 2) for v in json.loads(done.stdout.splitlines()[-1]))])
            print('| {} | {} | {:.2f} | {:.2f} | {:.2f} |'.format(*rows[-1]), flush=True)
    if o.csv: pd.DataFrame(rows, columns=columns).to_csv(o.csv, index=False)


if __name__ == '__main__': main()
