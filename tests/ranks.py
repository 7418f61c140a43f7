"The trainings that `test_ranks` compares, alone and as a program of several processes: ranks.py BACKBONE OUT CASE..."
import sys
from pathlib import Path
from unittest import mock

import numpy as np, pandas as pd, torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientAccumulation
from PIL import Image

from grmp_iqa.core import set_seed
from grmp_iqa.clip.backbones import load_clip
from grmp_iqa.clip.ranks import ShareBatch, join, rank, sum_over_ranks
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.meta import meta_pretrain
from grmp_iqa.learner import GradientRegularization, IQADataLoaders, iqa_learner


def photos(n):
    "Rated photographs of noise, larger than the crops, so that random crops differ"
    rng = np.random.default_rng(0)
    images = [Image.fromarray(np.kron(rng.integers(0, 255, (6, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)) for _ in range(n)]
    return pd.DataFrame(dict(image=images, mos=rng.random(n)))

class InDouble(Callback):
    "Train in float64, in which only mistakes are larger than rounding: Adam makes much of the rounding of small gradients"
    order = -100
    def before_batch(self): self.learn.xb = tuple(x.double() for x in self.xb)
    def after_loss(self): self.learn.loss = self.loss.float()   # fastai's smoothed loss is float32

class SumLate(Callback):
    "A mistake: sum what the rule gave"
    order = GradientRegularization.order + 1
    def before_step(self):
        found = {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None}
        for n, g in sum_over_ranks(found).items(): found[n].copy_(g)

def fine_tuned(folder, out, double=True, epochs=2, fit_cbs=None, cbs=(), lr=.05, **kwargs):
    "Batches of 4, 4 and 1, so that the second of two ranks gets nothing of the last, and four photographs to validate on"
    set_seed(5)
    dls = IQADataLoaders.from_table(photos(13), valid=[9, 10, 11, 12], bs=4, device='cpu')
    learn = iqa_learner(dls, load_clip(folder, device='cpu'), last_blocks=1, precision='float32', cbs=[*cbs, *[InDouble()][:double]], **kwargs)
    if double:
        learn.model.double()
        if hasattr(learn, 'gradient_regularization'): learn.gradient_regularization.teacher.double()
    if rank():   # what `distrib_ctx` has to put right
        dls.train.rng.random(), torch.rand(3)
        for p in learn.opt.param_lists.concat(): p.data.add_(1)
    learn.settings.get('plateau', {})['patience'] = 1
    with learn.distrib_ctx(), learn.no_bar(), learn.no_logging():
        learn.fine_tune(epochs, base_lr=lr, cbs=fit_cbs)
        preds, targets = learn.get_preds()
    trained = {n: p.detach() for n, p in learn.model.named_parameters() if not n.startswith('visual_prompt')}
    return trained | dict(history=torch.tensor(learn.recorder.values), rate=torch.tensor(learn.opt.hypers[-1]['lr']), preds=preds, targets=targets)

def pretrained(folder, out, order):
    "Four kinds of distortion to train on in steps of three tasks and of one, and two to judge by; one epoch, and gone on from its checkpoint with another"
    kinds = [dict(distortion=f'kind {k}', reference=f'scene {s}') for k in range(6) for s in range(4)]
    table = pd.concat([photos(len(kinds)), pd.DataFrame(kinds)], axis=1)
    set_seed(5 + rank())   # the first rank's start has to win
    model = QualityCLIP(load_clip(folder, device='cpu'), text_tokens=2, visual_tokens=2, dropout=0.)
    start = {n: p.detach().clone() for n, p in model.prompt_state().items()}
    for epochs in (1, 2):
        with torch.no_grad():
            for n, p in model.prompt_state().items(): p.copy_(start[n])
        history = meta_pretrain(model, table, epochs=epochs, order=order, tasks_per_step=3, outer='sgd', outer_lr=.3, inner_lr=.05,
                                held_out=2, checkpoint=Path(out)/f'order {order}.checkpoint', progress=False)
    last = torch.load(Path(out)/f'order {order}.checkpoint', weights_only=True)['theta']
    return {n: p.detach() for n, p in model.prompt_state().items()} | {f'last {n}': t for n, t in last.items()} | dict(history=torch.tensor(history.values))

def alone(cb, grads): return grads

def summed_late(folder, out):
    "Each rank regularises what it found by itself"
    with mock.patch.object(ShareBatch, 'before_step', lambda self: None), mock.patch('grmp_iqa.learner.summed', alone): return fine_tuned(folder, out, cbs=[SumLate()])

def own_scenes(folder, out):
    "The quality gradient is that of the batch, and the scene gradient that of the rank"
    with mock.patch('grmp_iqa.learner.summed', alone): return fine_tuned(folder, out)

TUNED = {'aligned': {}, 'over all': dict(per='all', rule='conflicting'), 'no rule': dict(rule=None), 'accumulated': dict(fit_cbs=GradientAccumulation(8)),
         'plateau': dict(recipe='paper', epochs=6), 'float32': dict(double=False, lr=2e-3)}
CASES = {k: lambda folder, out, how=how: fine_tuned(folder, out, **how) for k, how in TUNED.items()}
CASES |= {f'order {o}': lambda folder, out, o=o: pretrained(folder, out, o) for o in (1, 2)} | {'summed late': summed_late, 'own scenes': own_scenes}

if __name__ == '__main__':
    folder, out, *cases = sys.argv[1:]
    join()
    for case in cases: torch.save(CASES[case](folder, out), Path(out)/f'{case}.{rank()}.pt')
