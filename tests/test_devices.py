"No tensor is on the wrong device: everything that computes, on a GPU that is not there (see `fake_cuda`), and what is said where one is asked for in vain."
import sys

import pandas as pd, pytest, torch
from fake_cuda import devices, fake_cuda
from fastai.callback.core import Callback

from grmp_iqa import cli
from grmp_iqa.core import IQAError, best_device, check_device
from grmp_iqa.data.distortions import DISTORTIONS
from grmp_iqa.data.ratings import read_ratings
from grmp_iqa.data.samples import sample_photos
from grmp_iqa.clip.backbones import load_clip
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.tasks import distortion_tasks
from grmp_iqa.meta import adapt, meta_pretrain, meta_step
from grmp_iqa.scoring import Scorer
from grmp_iqa.learner import GradientRegularization, IQADataLoaders, iqa_learner
from grmp_iqa.evidence.baselines import BASELINES, Setting
from grmp_iqa.evidence.evaluation import evaluate
from grmp_iqa.evidence.probes import scene_accuracy

PHOTOS, RATINGS = sample_photos()
TABLE = read_ratings(RATINGS, PHOTOS).iloc[:12].reset_index(drop=True)


@pytest.fixture
def gpu():
    "A backbone in main memory, beside a GPU; it has to be there at the end as well"
    with fake_cuda():
        given = load_clip('tiny', device='cpu')
        yield given
        assert devices(given.clip) == {'cpu'}


# The tests are tested

def test_what_a_gpu_would_refuse_is_refused(gpu):
    a, b = torch.zeros(2, 2, device='cuda'), torch.zeros(2, 2)
    with pytest.raises(RuntimeError, match='same device'): a @ b
    with pytest.raises(RuntimeError, match='same device'): torch.nn.Linear(2, 2)(a)
    with pytest.raises(TypeError, match='cuda'): a.numpy()
    with pytest.raises(RuntimeError, match='pin'): a.pin_memory()
    assert a.cpu().numpy().shape == (2, 2) and 0 < a.sum().item() < 1

def test_moving_a_module_moves_it_for_everybody(gpu):
    "What used to happen to the caller's backbone"
    mine, theirs = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    theirs.weight = mine.weight
    theirs.to('cuda')
    assert devices(mine) == {'cpu', 'cuda'}

def test_a_text_that_was_left_behind_is_found(gpu):
    scorer = Scorer.load('tiny')
    scorer.text = scorer.text.cpu()
    with pytest.raises(RuntimeError, match='same device'): scorer.score_tensor(torch.zeros(1, 1, 3, 64, 64, device='cuda'))

def test_a_backbone_that_is_not_copied_is_found(gpu, monkeypatch):
    monkeypatch.setattr(type(gpu), 'on', lambda self, device=None: self)
    with pytest.raises(RuntimeError, match='same device'): BASELINES['linear probe'].fit(TABLE, Setting(gpu, TABLE))

def test_a_mistake_in_training_is_found(gpu, monkeypatch):
    quality_text = QualityCLIP.quality_text
    monkeypatch.setattr(QualityCLIP, 'quality_text', lambda self: quality_text(self).cpu())
    with pytest.raises(RuntimeError, match='same device'): trained(iqa_learner(IQADataLoaders.from_table(TABLE), gpu))


# Everything that computes

def test_a_backbone_by_name_is_on_the_best_device(gpu):
    assert devices(load_clip('tiny').clip) == {'cuda'} and devices(load_clip('tiny', device='cpu').clip) == {'cpu'}
    there = gpu.on('cuda')
    assert devices(there.clip) == {'cuda'} and there.on() is there and load_clip(there) is there and load_clip(there, device='cpu') is not there

def trained(learn, **kwargs):
    with learn.no_bar(), learn.no_logging(): learn.fine_tune(1, **kwargs)
    return learn

@pytest.mark.parametrize('how', [dict(), dict(rule=None), dict(rule='none', per='all'), dict(prompts='auto'), dict(prompts='auto', rule=None),
    dict(prompts='auto', train_visual=True), dict(precision='float32')], ids=str)
def test_fine_tuning(how, gpu):
    dls = IQADataLoaders.from_table(TABLE, valid=.3, bs=4)
    assert dls.device.type == 'cuda' and {t.device.type for t in dls.one_batch()} == {'cuda'}
    learn = trained(iqa_learner(dls, gpu, **how))
    assert devices(learn.model) == {'cuda'} and all(p.grad is None or p.grad.is_cuda for p in learn.model.parameters())
    assert len(learn.scorer().score_images(list(TABLE.image[:3])).score.dropna()) == 3
    assert learn.validate() is not None

def test_photographs_stay_on_the_device(gpu):
    dls = IQADataLoaders.from_table(TABLE, valid=0, bs=4)
    for _ in dls.train: pass
    photos = dls.cuts[0].photos
    assert len(photos.kept) == len(TABLE) and {t.device.type for _, layers in photos.kept.values() for t, _ in layers} == {'cuda'}
    small = IQADataLoaders.from_table(TABLE, valid=0, bs=4)
    small.cuts[0].photos.most['cuda'] = 0   # a device that is full: they stay in main memory
    small.cuts[0].photos.use(None)
    for x, y in small.train: assert x.is_cuda and y.is_cuda
    assert {t.device.type for _, layers in small.cuts[0].photos.kept.values() for t, _ in layers} == {'cpu'}

def test_a_teacher_elsewhere_is_copied(gpu):
    learn = iqa_learner(IQADataLoaders.from_table(TABLE, valid=0, bs=4), gpu, rule=None)
    trained(learn, cbs=GradientRegularization(QualityCLIP(gpu, text_tokens=0, precision='auto')))

@pytest.mark.parametrize('order', [1, 2])
@pytest.mark.parametrize('visual_tokens', [0, 3])
def test_meta_steps(order, visual_tokens, gpu):
    model = QualityCLIP(gpu.on(), visual_tokens=visual_tokens, precision='auto').train()
    batch = lambda n: (torch.zeros(n, 2, 3, 64, 64, device='cuda'), torch.zeros(n, device='cuda'))
    theta = {n: p.detach().clone() for n, p in model.prompt_state().items()}
    _, gradient = meta_step(model, theta, [([batch(3)], batch(2))]*2, order=order)
    assert {g.device.type for g in gradient.values()} == {'cuda'} and set(gradient) == set(theta)
    assert {t.device.type for t in adapt(model, theta, [batch(3)]*2).values()} == {'cuda'}

@pytest.fixture(scope='module')
def tasks():
    "Four kinds of distortion of six photographs"
    return distortion_tasks(list(PHOTOS.iterdir())[:6], size=64, without=list(DISTORTIONS)[4:])

@pytest.mark.parametrize('variant, order', [('paper', 1), ('paper', 2), ('released', 1)])
def test_pre_training(variant, order, tasks, gpu):
    model = QualityCLIP(gpu.on(), visual_tokens=2, precision='auto')
    meta_pretrain(model, tasks, variant, epochs=1, held_out=2, order=order, progress=False)
    assert devices(model) == {'cuda'}

def test_scoring(gpu, tmp_path):
    scorer = Scorer.load('tiny')
    table = scorer.score_images([*TABLE.image[:5], tmp_path/'none.jpg'], batch_size=2)
    assert scorer.device.type == 'cuda' and table.score.isna().sum() == 1 and 0 <= scorer(TABLE.image[0]) <= 1
    here = scorer.to('cpu')
    assert devices(here.net) == {'cpu'} and devices(scorer.net) == {'cuda'} and len(here.score_images(list(TABLE.image[:2]))) == 2
    assert Scorer.load(scorer.save(tmp_path/'scorer')).device.type == 'cuda' and Scorer.load(tmp_path/'scorer', 'cpu').device.type == 'cpu'

@pytest.mark.parametrize('name', BASELINES)
def test_baselines(name, gpu):
    setting = Setting(gpu, TABLE, gpu.prompts, gpu.prompts, epochs=1, source=TABLE.iloc[:6])
    predict = BASELINES[name].fit(TABLE.iloc[:6], setting)
    assert len(predict(TABLE.iloc[6:])) == 6 and setting.device == 'cuda' and devices(setting.backbone.clip) == {'cuda'}

def test_evaluation(gpu, tmp_path):
    results = evaluate(['plain fine-tuning', 'linear probe', 'zero-shot'], TABLE, (4,), 1, tmp_path/'runs.csv', gpu, epochs=1, progress=False)
    assert len(results) == 3 and (results.gigabytes == 7).all()   # what the stand-in's memory says

def test_probes(gpu): assert len(scene_accuracy(gpu.on(), each=1)) == 3


# A GPU that is asked for and absent, and one that is there and not asked for

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason='asks for a GPU that is absent')

def test_the_best_there_is(monkeypatch):
    for cuda, mps, best in ((True, True, 'cuda'), (False, True, 'mps'), (False, False, 'cpu')):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda); monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: mps)
        assert best_device() == check_device() == best

@no_gpu
@pytest.mark.parametrize('args', ['demo --out OUT', 'pretrain --out OUT', 'adapt PHOTOS RATINGS --out OUT', 'score PHOTOS --out OUT', 'bench tiny --out OUT',
    'bench --benchmarks rendered --out OUT'])
def test_cuda_asked_for_and_absent(args, tmp_path, monkeypatch, capsys):
    words = args.replace('PHOTOS', str(PHOTOS)).replace('RATINGS', str(RATINGS)).replace('OUT', str(tmp_path/'out')).split()
    monkeypatch.setattr(sys, 'argv', ['grmp-iqa', *words, '--device', 'cuda'])
    with pytest.raises(SystemExit) as stopped: cli.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and "'cuda'" in said and said.strip().count('\n') == 0 and not list(tmp_path.iterdir())

@pytest.mark.parametrize('call', [lambda: load_clip('tiny', device='abacus'), lambda: Scorer.load('tiny', 'abacus'),
    lambda: IQADataLoaders.from_table(TABLE, device='abacus'), lambda: evaluate('zero-shot', TABLE, device='abacus'), lambda: Setting(None, TABLE, device='abacus')])
def test_every_function_says_the_same(call):
    with pytest.raises(IQAError, match="The device 'abacus' can't be used here"): call()

def test_memory_is_that_of_the_run(monkeypatch):
    "A run in main memory says so, also on a machine with a GPU"
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True); monkeypatch.setattr(torch.cuda, 'max_memory_allocated', lambda *a: 7e9)
    results = evaluate('zero-shot', TABLE, (4,), 1, device='cpu', progress=False)
    assert (results.gigabytes != 7).all()

def test_bench_of_a_backbone_takes_a_device(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr('grmp_iqa.evidence.bench.bench_tiny', lambda *args, **kwargs: asked.update(kwargs) or pd.DataFrame({'measure': [], 'value': []}))
    monkeypatch.setattr(sys, 'argv', ['grmp-iqa', 'bench', 'tiny', '--out', str(tmp_path), '--device', 'cpu'])
    with pytest.raises(SystemExit): cli.main()
    assert asked['device'] == 'cpu'

@pytest.mark.parametrize('error', [RuntimeError('out of memory'), KeyboardInterrupt()])
def test_no_hook_stays(error):
    "Not even those of a callback that was given to one training alone"
    class Breaks(Callback):
        order = 100
        def before_step(self): raise error
    bb = load_clip('tiny', device='cpu')
    learn = iqa_learner(IQADataLoaders.from_table(TABLE, valid=0, bs=4, device='cpu'), bb, rule=None)
    cbs = [GradientRegularization(QualityCLIP(bb, text_tokens=0)), Breaks()]
    with learn.no_bar(), learn.no_logging(), pytest.raises(type(error)): learn.fit(1, cbs=cbs)
    assert not learn.model.feature._forward_hooks and not learn.model.hidden._forward_hooks
