"""The trials that settings of `tiny` were chosen by, and again for yours: of its training, and of its adaptation to labels.

    python benchmarks/trials.py tiny --photos PHOTOS --out trials --csv nbs/results/tiny_trials_photographs.csv
    python benchmarks/trials.py adapt --csv nbs/results/adapt_trials.csv

Both are measured on the 200 rated photographs that ship, which the bench leaves out, and on distorted pristine ones.
Weights are kept in the folder, and a training that was stopped goes on.
"""
import argparse
from pathlib import Path
from unittest.mock import patch

import numpy as np, pandas as pd, torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from grmp_iqa.clip.backbones import load_clip
from grmp_iqa.core import interval_text, set_seed
from grmp_iqa.data.metrics import interval, srcc
from grmp_iqa.data.ratings import read_ratings
from grmp_iqa.data.samples import pristine_photos, sample_photos
from grmp_iqa.data.synthetic import synthetic_benchmark
from grmp_iqa.evidence.nss import ILNIQE, NIQE
from grmp_iqa.evidence.probes import level_scores, level_srcc, scene_accuracy
from grmp_iqa.learner import IQADataLoaders, iqa_learner
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.scoring import Scorer
from grmp_iqa.tiny import network, objective
from grmp_iqa.tiny.recipe import train_backbone

#: what was tried, what was expected, and which parts of the recipe it has
TINY_TRIALS = [('drawings alone', 'the start', ()),
               ('three of five scenes are windows of photographs', 'knows clean photographs', ('photos',)),
               ('whole photographs ranked by NIQE and IL-NIQE, statistics predicted', 'photographs become comparable',
                ('photos', 'natural')),
               ('the spread over the crops', 'unequal crops say more', ('photos', 'natural', 'spread')),
               ('random tokens and contexts in half of the steps', 'prompts added later cost less',
                ('photos', 'natural', 'spread', 'prompts'))]
#: how fine-tuning was tried, as `fine_tune` and `iqa_learner` take it
ADAPT_TRIALS = {'10 epochs': dict(epochs=10, keep=1.), '20 epochs': dict(epochs=20, keep=1.),
                '20 epochs, keep .8': dict(epochs=20, keep=.8), '20 epochs, keep .5': dict(epochs=20, keep=.5),
                '20 epochs, the blocks as fast as the context': dict(epochs=20, keep=1., lr_mult=1.),
                '20 epochs, gradient rule': dict(epochs=20, keep=1., rule='aligned'),
                '20 epochs, keep .8, gradient rule': dict(epochs=20, keep=.8, rule='aligned')}


def train(folder, parts, photos, steps):
    "Train by the recipe without the parts that are left out"
    weights = objective.LOSS_WEIGHTS['all'] | ({} if 'natural' in parts else dict(natural=0., statistics=0.))
    plain, words = objective.random_prompt, objective.encode_words
    with patch.dict(objective.LOSS_WEIGHTS, all=weights), patch.dict(network.TINY, spread='spread' in parts), \
         patch.object(objective, 'random_prompt', plain if 'prompts' in parts else lambda clip: plain(clip, 0)), \
         patch.object(objective, 'encode_words', words if 'prompts' in parts else lambda *args: words(*args[:3], False)):
        train_backbone(folder, steps=steps, photos=photos if 'photos' in parts else None)

@torch.no_grad()
def measure(weights):
    "What a backbone reaches before any training, and with a ridge regression on fifty labels"
    bb, table = load_clip(weights, device='cpu'), read_ratings(sample_photos()[1], sample_photos()[0])
    plain, mos = QualityCLIP(bb, text_tokens=0, precision='auto').eval(), table.mos.to_numpy()
    crops = torch.stack([bb.crops(i) for i in table.image])
    features = torch.cat([plain.encode_image(c) for c in crops.split(20)]).float()
    score = lambda model: torch.cat([model.score(c) for c in crops.split(20)]).numpy()
    def fresh(seed):
        set_seed(seed)
        return QualityCLIP(bb, visual_tokens=8, precision='auto').eval()
    def labelled(seed):
        order = np.random.default_rng(seed).permutation(len(mos))
        fit = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))).fit(features[order[:50]], mos[order[:50]])
        return srcc(fit.predict(features[order[50:]]), mos[order[50:]])
    judges = [NIQE(pristine_photos().values()), ILNIQE(pristine_photos().values())]
    natural = sum(pd.Series([-j(i) for i in table.image]).rank() for j in judges)
    scorer, zero = Scorer.from_model(plain), score(plain)
    levels = level_srcc(level_scores({'score': lambda kind: scorer}, list(pristine_photos().values())[::3]), 'score')
    return {'no labels': srcc(zero, mos), 'fresh tokens': np.mean([srcc(score(fresh(s)), mos) for s in range(3)]),
            '50 labels': np.median([labelled(s) for s in range(20)]), 'follows statistics': srcc(zero, natural),
            'pooled': levels['pooled'], 'kinds': levels['median kind'], 'scenes': scene_accuracy(bb, each=15)[0]}

def tiny_trials(photos, out, steps):
    "A row for each trial, each with all the parts of the one above; the last is what ships"
    rows = []
    for i, (tried, expected, parts) in enumerate(TINY_TRIALS):
        folder = Path(out)/f'trial-{i}'
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists(): train(folder, parts, photos, steps)
        rows.append(dict(tried=tried if i < 2 else f'the same, and {tried}', expected=expected) | measure(folder) | dict(steps=steps))
        print(rows[-1], flush=True)
    shipped = load_clip('tiny').name
    return pd.DataFrame(rows + [dict(tried='what ships: the same, longer', expected='more of all') | measure(shipped)]).round(3)


def draw(task, seed):
    "Fifty shots and 150 to test: rated photographs, or versions of ten pristine ones and of the ten others"
    if task == 'rated':
        table = read_ratings(sample_photos()[1], sample_photos()[0]).sample(frac=1, random_state=seed)
        return table[:50], table[50:]
    names = np.random.default_rng(seed).permutation(list(pristine_photos()))
    table = synthetic_benchmark(pristine_photos(), levels=[1, 4], size=224)
    known = table.reference.isin(names[:10])
    return table[known].sample(50, random_state=seed), table[~known].sample(150, random_state=seed)

def adapt_trials(draws):
    "SRCC of each setting, and its difference from the first on the same draws"
    found, bb = [], load_clip('tiny', device='cpu')
    for task, seed in [(t, s) for t in ('rated', 'distorted') for s in range(draws)]:
        shots, test = draw(task, seed)
        zero = Scorer.from_model(QualityCLIP(bb, text_tokens=0)).score_images(list(test.image)).score
        found.append(dict(setting='no training (zero-shot)', task=task, seed=seed, srcc=srcc(zero, test.mos)))
        for name, how in ADAPT_TRIALS.items():
            set_seed(seed)
            rule, fit = how.get('rule'), {k: v for k, v in how.items() if k != 'rule'}
            learn = iqa_learner(IQADataLoaders.from_table(shots, valid=0, device='cpu'), bb, rule=rule)
            with learn.no_bar(), learn.no_logging(): learn.fine_tune(**fit)
            scores = learn.scorer().score_images(list(test.image)).score
            found.append(dict(setting=name, task=task, seed=seed, srcc=srcc(scores, test.mos)))
        print(pd.DataFrame(found[-len(ADAPT_TRIALS)-1:]).to_string(index=False, header=False), flush=True)
    runs, rows = pd.DataFrame(found), []
    base = runs[runs.setting == '10 epochs'].set_index(['task', 'seed']).srcc
    for (setting, task), group in runs.groupby(['setting', 'task'], sort=False):
        gain = group.srcc.to_numpy() - base[task][group.seed].to_numpy()
        rows.append((setting, task, interval_text(*interval(group.srcc)), '' if not gain.any() else interval_text(*interval(gain))))
    return pd.DataFrame(rows, columns=['setting', 'task', 'SRCC', 'over 10 epochs'])


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('which', choices=['tiny', 'adapt'])
    parser.add_argument('--photos', help='folder of photographs to train on')
    parser.add_argument('--out', default='trials', help='folder for the weights')
    parser.add_argument('--steps', type=int, default=400, help='of each training')
    parser.add_argument('--draws', type=int, default=8, help='of shots and test')
    parser.add_argument('--csv', help='file to write')
    args = parser.parse_args()
    if args.which == 'tiny' and not args.photos: parser.error('tiny needs --photos')
    table = tiny_trials(args.photos, args.out, args.steps) if args.which == 'tiny' else adapt_trials(args.draws)
    print(table.to_string(index=False))
    if args.csv: table.to_csv(args.csv, index=False)
