"The library's way of computing gives what the reference's way gives: `benchmarks/plain.py`, in float32, to 1e-4."
import sys

import pytest, torch
from fastai.callback.core import Callback
from fastai.data.all import DataLoader, DataLoaders
from fastai.learner import Learner
from fastai.optimizer import SGD
from project import ROOT

sys.path.insert(0, str(ROOT/'benchmarks'))
import plain
from grmp_iqa.clip.backbones import load_clip
from grmp_iqa.learner import GradientRegularization, own_last_blocks, parameter_groups
from grmp_iqa.meta import adapt
from grmp_iqa.losses import quality_loss
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.scoring import Scorer

tokens = pytest.mark.parametrize('visual_tokens', [0, 8])


def setup(visual_tokens):
    "A backbone, a model on its own last blocks without dropout, and a batch"
    torch.manual_seed(0)
    given = load_clip('tiny')
    model = QualityCLIP(own_last_blocks(given), visual_tokens=visual_tokens, dropout=0.)
    with torch.no_grad():   # away from the teacher: where the two agree, the scene gradient is zero but for rounding, and its direction is chance
        for p in model.last_blocks(1).values(): p.add_(.1*p.abs().mean()*torch.randn_like(p))
    return given, model, torch.randn(4, 3, 3, 64, 64), torch.linspace(0, 1, 4)

def close(ours, theirs): torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4*float(theirs.abs().max()))

@tokens
def test_scores(visual_tokens):
    _, model, images, _ = setup(visual_tokens)
    close(Scorer.from_model(model.eval(), precision='float32').score_tensor(images), plain.score(model, images))

@tokens
def test_inner_step_of_meta_learning(visual_tokens):
    _, model, images, mos = setup(visual_tokens)
    theta = {n: p.detach().clone() for n, p in model.prompt_state().items()}
    moved, gradient = adapt(model, theta, [(images, mos)], lr=1.), plain.inner_gradient(model, images, mos)
    for n, g in gradient.items(): close(theta[n] - moved[n], g)

class Keep(Callback):
    order = GradientRegularization.order + 1
    def before_step(self): self.gradient = {n: p.grad.clone() for n, p in self.model.named_parameters() if p.grad is not None}

@tokens
def test_fine_tuning_step(visual_tokens):
    given, model, images, mos = setup(visual_tokens)
    teacher, keep = QualityCLIP(given, text_tokens=0).eval(), Keep()
    parameter_groups(model)
    expected = plain.fine_tuning_gradient(model.train(), teacher, images, mos)
    data = DataLoaders(DataLoader(list(zip(images, mos)), bs=4), DataLoader([], bs=1))
    learn = Learner(data, model, loss_func=quality_loss, opt_func=SGD, lr=1e-3, cbs=[GradientRegularization(teacher), keep],
                    splitter=lambda m: [[p for p in m.parameters() if p.requires_grad]], train_bn=False)
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    assert set(keep.gradient) == set(expected)
    for n, g in expected.items(): close(keep.gradient[n], g)
