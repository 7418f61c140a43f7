"""Kill the work of commands at random, begin it again until it has finished, and compare the bits with a run that was never stopped.

    python benchmarks/stress.py                                         # 50 kills of each
    python benchmarks/stress.py --kills 10 --only adapt,demo
    python benchmarks/stress.py --csv nbs/results/stress.csv

Every other kill comes at a time drawn evenly over the whole run, the rest at a step of writing: before the n-th call that makes,
flushes, renames or removes a file. All is small (a transformer of two narrow blocks with random weights, sixteen drawings), and
a run is a fork of a process that has imported everything, so that kills fall into the work and not into imports.
"""
import argparse, json, os, random, shutil, signal, sys, tempfile, time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

os.environ.update(CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1')
import pandas as pd, torch
from safetensors.torch import save_file

import grmp_iqa.core as core
from grmp_iqa.core import IQAError, set_seed
from grmp_iqa.data.scenes import render_scene
from grmp_iqa.data.synthetic import synthetic_benchmark
from grmp_iqa.clip.backbones import build_clip, load_clip
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.meta import meta_pretrain
from grmp_iqa.scoring import Scorer
from grmp_iqa.learner import IQADataLoaders, iqa_learner
from grmp_iqa.evidence.bench import bench_methods
from grmp_iqa.evidence.demo import run_demo
from grmp_iqa.use.archive import score_archive
from grmp_iqa.use.ratinglog import RatingLog
from grmp_iqa.use.resume import resumable, training_settings
from grmp_iqa.use.trust import cross_validate
from grmp_iqa.tiny import objective
from grmp_iqa.tiny.recipe import train_backbone

CONFIG = dict(embed_dim=16, quick_gelu=True, vision_cfg=dict(image_size=32, patch_size=16, width=64, layers=2),
              text_cfg=dict(context_length=77, vocab_size=49408, width=32, heads=2, layers=1))
RATINGS = 40 # answers in a log


class Bed:
    "What all runs start from: photographs, ratings, a backbone."
    def __init__(self, folder):
        self.folder, self.photos, backbone = folder, folder/'photos', folder/'backbone'
        for f in (self.photos, backbone): f.mkdir(parents=True)
        for i in range(16): render_scene('plant', i, 64).save(self.photos/f'{i:02d}.png')
        (self.photos/'ratings.csv').write_text('image,mos\n' + ''.join(f'{i:02d}.png,{1 + i % 5}\n' for i in range(16)))
        (backbone/'open_clip_config.json').write_text(json.dumps(dict(model_cfg=CONFIG, preprocess_cfg=dict(mean=[.5]*3, std=[.25]*3))))
        torch.manual_seed(0)
        save_file(build_clip(CONFIG).state_dict(), backbone/'open_clip_model.safetensors')
        self.backbone = load_clip(backbone, device='cpu')
        self.scorer = Scorer.from_model(QualityCLIP(self.backbone, text_tokens=0))
        references = {f'{i:02d}.png': self.photos/f'{i:02d}.png' for i in range(4)}
        self.distorted = synthetic_benchmark(references, kinds=['gaussian_blur', 'jpeg', 'white_noise'], levels=[1, 3, 5], size=48)
        self.progress = torch.zeros(1, dtype=torch.int64).share_memory_()   # answers that a studio has been promised


def score(bed, out): score_archive(bed.scorer, [bed.photos], out/'scores.csv', batch_size=2, workers=1)

def adapt(bed, out):
    set_seed(0)
    dls = IQADataLoaders.from_csv(bed.photos, 'ratings.csv', valid=0, bs=4, device='cpu', scale=(1, 5))
    settings = training_settings(dls.table, bed.backbone, epochs=2, folds=2)
    with resumable(out/'scorer', settings) as kept:
        learn = iqa_learner(dls, bed.backbone, cbs=[kept])
        learn.fine_tune(2)
        learn.calibration = cross_validate(dls.table, bed.backbone, folds=2, epochs=2, bs=4, cbs=[kept]).calibration
        learn.save_scorer(out/'scorer')

def pretrain(bed, out):
    set_seed(0)
    model, kept = QualityCLIP(bed.backbone, visual_tokens=2), out/'.prompts.safetensors.training'
    meta_pretrain(model, bed.distorted, epochs=3, support=4, query=4, held_out=1, checkpoint=kept, workers=0, progress=False)
    model.save_prompts(out/'prompts.safetensors')
    kept.unlink()

def demo(bed, out):
    run_demo(out/'demo', bed.photos, 'ratings.csv', backbone=bed.backbone, shots=6, draws=1, epochs=1, pretrain_epochs=1, device='cpu', progress=False)

def bench(bed, out):
    bench_methods(out/'bench', [f'own={bed.photos}:ratings.csv'], ['zero-shot', 'linear probe', 'plain fine-tuning'], (6,), 2, bed.backbone, None, epochs=1,
                  device='cpu', progress=False)

def train(bed, out):
    with patch.object(objective, 'SCENES_A_STEP', 2): train_backbone(out/'backbone', steps=3, workers=0, machine='any', progress=False)

def studio(bed, out):
    log = RatingLog(out/'ratings.jsonl')
    promised, done = int(bed.progress), len(log.actions())
    if done < promised: raise IQAError(f'{promised - done} answers were lost')
    for i in range(done, RATINGS):
        log.append(do='rate', image=f'{i}.jpg', rating=1. + i % 5)
        bed.progress += 1


def same(*names):
    "What to compare: the bytes of files."
    return lambda out: [(out/n).read_bytes() for n in names]

def runs_of(folder):
    "A table of runs without its times and memory."
    def found(out):
        runs = pd.read_csv(out/folder/'runs.csv')
        return runs.drop(columns=[c for c in runs if 'second' in c or 'gigabyte' in c]).to_csv()
    return found

def demo_bits(out):
    return runs_of('demo')(out), same(*(f'demo/{n}' for n in ('table.csv', 'test.csv', 'angles.csv', 'prompts.safetensors', 'scorer/scorer.safetensors', 'scorer/card.json')))(out)

def backbone_bits(out):
    losses = json.loads((out/'backbone/open_clip_config.json').read_text())['training']['losses']
    return same('backbone/open_clip_model.safetensors')(out), [{k: v for k, v in l.items() if k != 'minutes'} for l in losses]

def log_bits(out): return [{k: v for k, v in a.items() if k != 'time'} for a in RatingLog(out/'ratings.jsonl').actions()]

#: command -> how it is run, and what of its result is compared
JOBS = {'score': (score, same('scores.csv')), 'adapt': (adapt, same('scorer/scorer.safetensors', 'scorer/card.json')),
        'pretrain': (pretrain, same('prompts.safetensors')), 'demo': (demo, demo_bits),
        'bench': (bench, lambda out: (runs_of('bench')(out), same('bench/table.csv', 'bench/paired.csv')(out))),
        'train-backbone': (train, backbone_bits), 'studio log': (studio, log_bits)}

def writing(step):
    "Call `step` before everything that makes, flushes, renames or removes a file."
    before = lambda f: lambda *args, **kwargs: (step(), f(*args, **kwargs))[1]
    patches = [patch.object(os, n, before(getattr(os, n))) for n in ('rename', 'replace', 'fsync', 'unlink', 'mkdir', 'rmdir')]
    if core._RENAME: patches.append(patch.object(core, '_RENAME', before(core._RENAME)))
    return patches

def start(job, bed, out, at=0):
    "Fork a run; it kills itself before its `at`-th step of writing, and leaves the number of steps in a file."
    if pid := os.fork(): return pid
    steps = 0
    def step():
        nonlocal steps
        steps += 1
        if steps == at: os.kill(os.getpid(), signal.SIGKILL)
    for p in writing(step): p.start()
    status = 0
    with open(bed.folder/'said.txt', 'w') as said, redirect_stdout(said), redirect_stderr(said):
        try: job(bed, out)
        except BaseException as e: status = print(f'{type(e).__name__}: {e}', file=said) or 1
    (bed.folder/'steps.txt').write_text(str(steps))
    os._exit(status)

def ended(pid, seconds=None):
    "Wait for a run, or kill it after some seconds: its exit status, -9 for one that was killed."
    if seconds is not None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if (found := os.waitpid(pid, os.WNOHANG))[0]: return os.waitstatus_to_exitcode(found[1])
            time.sleep(.001)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def fresh(bed):
    "An empty folder for a run from its start."
    shutil.rmtree(bed.folder/'out', ignore_errors=True)
    (bed.folder/'out').mkdir()
    bed.progress.zero_()
    return bed.folder/'out'

def names(out): return sorted(p.relative_to(out).as_posix() for p in out.rglob('*'))

def stress(name, bed, kills, rng):
    "A row of the table."
    job, bits = JOBS[name]
    out, began = fresh(bed), time.monotonic()
    if ended(start(job, bed, out)): raise SystemExit(f'{name} fails by itself: ' + (bed.folder/'said.txt').read_text())
    length, steps, expected, whole = time.monotonic() - began, int((bed.folder/'steps.txt').read_text()), bits(out), names(out)
    row = dict(command=name, kills=0, at_a_write=0, went_on=0, runs=0, equal_bits=0, leftovers=0, failed=0)
    while row['kills'] < kills:
        out, status, n = fresh(bed), -9, 0
        while status == -9:
            aimed, last = (row['kills'] + n) % 2, n == 5   # the sixth time it may finish
            if aimed: status = ended(start(job, bed, out, 0 if last else rng.randint(1, steps)))
            else: status = ended(start(job, bed, out), None if last else rng.uniform(0, length))
            if status == -9:
                n, row['kills'], row['at_a_write'] = n + 1, row['kills'] + 1, row['at_a_write'] + aimed
                row['went_on'] += any(p.is_file() and not p.name.endswith('.lock') and p.name != 'settings.json' and '.part' not in p.as_posix() for p in out.rglob('*'))
        row['runs'] += 1
        if status:
            row['failed'] += 1
            print(f"{name} failed after {n} kills: {(bed.folder/'said.txt').read_text()}", flush=True)
            continue
        row['equal_bits'] += bits(out) == expected
        if (extra := set(names(out)) ^ set(whole)):
            row['leftovers'] += 1
            print(f'{name} left or lacks {sorted(extra)}', flush=True)
    return row | dict(seconds=round(length, 2))

def main(args=None):
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--kills', type=int, default=50, help='of each command')
    p.add_argument('--only', default=','.join(JOBS), help='commands, with commas')
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--csv', type=Path, help='file for the table; rows of other commands in it stay')
    args = p.parse_args(args)
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(Path(folder)/'bed')
        for name in args.only.split(','):
            rows.append(stress(name, bed, args.kills, random.Random(args.seed)))
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
            if not args.csv: continue
            old = pd.read_csv(args.csv) if args.csv.exists() else pd.DataFrame(dict(command=[]))
            table = pd.DataFrame([*old[old.command != name].to_dict('records'), rows[-1]])
            with core.atomic_write(args.csv) as part: table.set_index('command').loc[[n for n in JOBS if n in set(table.command)]].to_csv(part)
    return pd.DataFrame(rows)

if __name__ == '__main__':
    table = main()
    sys.exit(int((table.equal_bits + table.failed < table.runs).any() or table.failed.any() or table.leftovers.any()))
