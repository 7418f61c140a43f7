"Pre-training from published databases: the command, its recipes, what stays the same when it is interrupted, and its mistakes."
import shutil, sys

import pytest, torch, trees
from grmp_iqa.clip.backbones import load_clip
from grmp_iqa.cli import main
from grmp_iqa.meta import RECIPES, make_recipe, meta_pretrain
from grmp_iqa.clip.checkpoints import prompt_card
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.tasks import TaskSampler, database_table
from safetensors.torch import load_file


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    "Small trees of the two databases that the paper pre-trains on"
    return trees.write(tmp_path_factory.mktemp('data'), 'tid2013', 'kadid10k', scenes=3, kinds=(1, 8, 10, 16), levels=(1, 3, 5))

@pytest.fixture
def model(backbone):
    torch.manual_seed(1)
    return QualityCLIP(load_clip(backbone), visual_tokens=2)

@pytest.fixture
def call(monkeypatch, capsys, backbone, data):
    "Exit status, stdout and stderr of `grmp-iqa pretrain` on the small trees"
    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['grmp-iqa', 'pretrain', *map(str, ['--backbone', backbone, '--root', data, *args])])
        status = 0
        try: main()
        except SystemExit as e: status = e.code or 0
        return status, *capsys.readouterr()
    return run

BOTH = ('--databases', 'tid2013,kadid10k')


@pytest.mark.parametrize('recipe', RECIPES)
def test_the_command_with_each_recipe(recipe, call, tmp_path):
    out = tmp_path/'prompts.safetensors'
    status, printed, err = call(*BOTH, '--recipe', recipe, '--epochs', 1, '--visual-tokens', 2, '--held-out', 1, '--out', out)
    assert status == 0, err
    assert 'held_loss' in printed
    card = prompt_card(out)
    expected = make_recipe(recipe, epochs=1, visual_tokens=2)
    assert card['visual_tokens'] == 2 and card['training']['references'] == 'tid2013,kadid10k'
    assert {k: card['training'][k] for k in ('variant', 'support', 'inner', 'inner_lr', 'outer_lr')} == {k: getattr(expected, k) for k in ('variant', 'support', 'inner', 'inner_lr', 'outer_lr')}

def test_recipes_are_what_the_paper_says():
    paper, released = RECIPES['paper'], RECIPES['released']
    assert (paper.visual_tokens, paper.epochs, paper.support, paper.query, paper.inner_lr, paper.outer_lr, paper.order) == (100, 50, 75, 50, 1e-4, 1e-2, 1)
    assert {k for k in vars(paper) if getattr(paper, k) != getattr(released, k)} == {'variant'}

def test_options_override_the_recipe(call, tmp_path):
    out = tmp_path/'prompts.safetensors'
    options = dict(inner='sgd', inner_lr=.02, inner_steps=2, outer='adam', outer_lr=.003, tasks_per_step=3, order=2, micro_batch=5, support=4, query=3, epochs=1, text_tokens=2, visual_tokens=1)
    args = [a for k, v in options.items() for a in ('--' + k.replace('_', '-'), v)]
    status, _, err = call(*BOTH, '--recipe', 'paper', '--no-whole', '--held-out', 0, *args, '--out', out)
    assert status == 0, err
    assert {k: prompt_card(out)['training'][k] for k in options} == options

def test_an_interrupted_command_goes_on(call, tmp_path):
    "With another number of workers too; the Adam of the released code is part of what is kept"
    whole, halves, checkpoint = (tmp_path/n for n in ('whole.safetensors', 'halves.safetensors', 'run.pt'))
    common = (*BOTH, '--variant', 'released', '--visual-tokens', 2, '--held-out', 0)
    assert call(*common, '--epochs', 2, '--workers', 1, '--out', whole)[0] == 0
    assert call(*common, '--epochs', 1, '--checkpoint', checkpoint, '--out', halves)[0] == 0
    before = load_file(halves)
    assert call(*common, '--epochs', 2, '--workers', 3, '--checkpoint', checkpoint, '--out', halves)[0] == 0
    a, b = load_file(whole), load_file(halves)
    assert all(torch.equal(a[n], b[n]) for n in a) and not all(torch.equal(before[n], b[n]) for n in a)


def test_micro_batches_change_nothing_but_rounding(model, data):
    "Without dropout; pieces of 5 of batches of 20, whose last piece is as large as the others or smaller"
    model.visual_prompt.dropout.p = 0.
    table, start = database_table('tid2013,kadid10k', data), {n: p.detach().clone() for n, p in model.prompt_state().items()}
    ends = []
    for size in (5, 1000):
        with torch.no_grad():
            for n, p in model.prompt_state().items(): p.copy_(start[n])
        meta_pretrain(model, table, recipe='paper', epochs=1, held_out=0, inner='sgd', inner_lr=1e-2, support=7, micro_batch=size, progress=False)
        ends.append({n: p.detach() - start[n] for n, p in model.prompt_state().items()})
        ends[-1] = {n: t.clone() for n, t in ends[-1].items()}
    for n in start:
        assert ends[1][n].abs().max() > 0
        torch.testing.assert_close(ends[0][n], ends[1][n], rtol=1e-2, atol=1e-2*float(ends[1][n].abs().max()))

def test_kinds_never_merge_and_scenes_are_never_shared(data):
    both, one = (TaskSampler(database_table(names, data)) for names in ('tid2013,kadid10k', 'tid2013'))
    assert {k.split('/')[0] for k in both.kinds} == {'tid2013', 'kadid10k'} and len(both) == 8
    assert set(one.kinds) == {k.removeprefix('tid2013/') for k in both.kinds if k.startswith('tid2013')}
    for task in [t for e in range(5) for s in (both, one) for t in s.sample(epoch=e)]:
        assert not set(task.support.reference) & set(task.query.reference)
        assert set(task.support.database) == set(task.query.database) == {task.database}


def spoiled(data, tmp_path, change):
    "The trees with something missing"
    root = shutil.copytree(data, tmp_path/'spoiled')
    change(root)
    return root

def one_scene(root):
    lines = (root/'tid2013'/'mos_with_names.txt').read_text().splitlines()
    (root/'tid2013'/'mos_with_names.txt').write_text('\n'.join(l for l in lines if '01_' in l.split()[1][:4]))
    (root/'tid2013'/'mos_std.txt').unlink()

SPOILED = {'no folder': (lambda r: shutil.rmtree(r/'tid2013'), 'tid2013'),
           'no list': (lambda r: (r/'kadid10k'/'dmos.csv').unlink(), 'dmos.csv'),
           'no image': (lambda r: next((r/'kadid10k'/'images').glob('I02*')).unlink(), 'I02'),
           'one scene': (one_scene, 'one scene only')}

@pytest.mark.parametrize('what', SPOILED)
def test_databases_that_are_not_whole(what, data, call, tmp_path):
    change, named = SPOILED[what]
    root, out = spoiled(data, tmp_path, change), tmp_path/'out'
    status, _, err = call(*BOTH, '--root', root, '--out', out/'prompts.safetensors')
    assert status == 2 and named in err and err.strip().count('\n') == 0
    assert not out.exists()

@pytest.mark.parametrize('args, named', [
    (('--databases', 'tid2031'), 'tid2013'), (('--databases', 'tid2013,koniq10k'), 'koniq10k'),
    ((*BOTH, '--references', '.'), 'exclude each other'), ((*BOTH, '--recipe', 'papre'), 'paper'), ((*BOTH, '--variant', 'papre'), 'paper'),
    ((*BOTH, '--recipe', 'paper', '--order', '2'), '--inner sgd'), ((*BOTH, '--inner', 'adma'), 'adam'), ((*BOTH, '--held-out', '9'), "can't be held out"),
    ((*BOTH, '--outer-lr', '1e30', '--epochs', '2'), '--outer-lr 1e+30')])
def test_mistakes(args, named, call, tmp_path):
    status, _, err = call(*args, '--visual-tokens', 2, '--out', tmp_path/'out'/'prompts.safetensors')
    assert status == 2 and named in err.splitlines()[-1] and 'Traceback' not in err
    assert not (tmp_path/'out').exists()

def test_too_little_memory(call, tmp_path):
    def full(self): raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of ...')
    with pytest.MonkeyPatch.context() as m:
        m.setattr('grmp_iqa.meta._Run.one_epoch', full)
        status, _, err = call(*BOTH, '--out', tmp_path/'prompts.safetensors')
    assert status == 2 and '--micro-batch' in err and '--visual-tokens' in err and not list(tmp_path.iterdir())
