"Two processes train what one does: fine-tuning and meta-learning, with the regularisation behind the sum over the ranks."
import importlib.util, os, subprocess, sys

import pytest, torch

import ranks
from grmp_iqa.clip import ranks as shared
from grmp_iqa.clip.vit import one_core
from grmp_iqa.losses import TrainingError
from grmp_iqa.meta import released_epoch
from grmp_iqa.learner import IQALearner

TORCHRUN = ['torch.distributed.run', '--standalone', '--nproc-per-node=2']
ACCELERATE = ['accelerate.commands.launch', '--multi_gpu', '--num_processes=2', '--num_machines=1', '--mixed_precision=no', '--dynamo_backend=no',
              '--main_process_port=0']   # without a GPU, "multi_gpu" is two processes on the CPU


@pytest.fixture(scope='module')
def pairs(backbone, tmp_path_factory):
    "case -> (what one process found, [what each of two found])"
    one, two = tmp_path_factory.mktemp('one'), tmp_path_factory.mktemp('two')
    launcher = ACCELERATE if importlib.util.find_spec('accelerate') else TORCHRUN
    program = subprocess.Popen([sys.executable, '-m', *launcher, ranks.__file__, str(backbone), str(two), *ranks.CASES],
                               env=os.environ | dict(CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1'), stderr=subprocess.PIPE, text=True)
    with one_core():   # as each of the two
        alone = {case: ranks.CASES[case](backbone, one) for case in ranks.CASES if case not in ('summed late', 'own scenes')}
    _, said = program.communicate(timeout=300)
    assert program.returncode == 0, said[-3000:]
    return {case: (alone.get(case, alone['aligned']), [torch.load(two/f'{case}.{r}.pt', weights_only=True) for r in range(2)]) for case in ranks.CASES}

def gap(a, b):
    "The largest difference of two states"
    assert set(a) == set(b)
    return max(float((a[n] - b[n]).nan_to_num().abs().max()) for n in a)


@pytest.mark.parametrize('case', ranks.TUNED)
def test_fine_tuning_is_that_of_one_process(pairs, case):
    "Weights, losses, SRCC, PLCC, learning rate and predictions, with last batches that leave a rank without a photograph"
    one, two = pairs[case]
    assert gap(*two) == 0
    weights = gap(*({n: t for n, t in o.items() if n not in ('history', 'preds', 'targets', 'rate')} for o in (one, two[0])))
    print(f'{case}: weights {weights:.1e}, all {gap(one, two[0]):.1e}')
    assert gap(one, two[0]) < 1e-5 and weights < (1e-5 if case == 'float32' else 1e-10)

@pytest.mark.parametrize('case', ['order 1', 'order 2'])
def test_meta_learning_is_that_of_one_process(pairs, case):
    "Prompts of the best and of the last epoch, and the history, also where a checkpoint is gone on with"
    one, two = pairs[case]
    print(f'{case}: {gap(one, two[0]):.1e}')
    assert gap(*two) == 0 and gap(one, two[0]) < 1e-5
    assert len(one['history']) == 3

@pytest.mark.parametrize('mistake', ['summed late', 'own scenes'])
def test_a_gradient_that_is_not_of_the_whole_batch_is_found(pairs, mistake):
    one, two = pairs[mistake]
    print(f'{mistake}: {gap(one, two[0]):.1e}')
    assert gap(one, two[0]) > 1e-3

def test_predictions_come_once(pairs):
    one, two = pairs['aligned']
    assert len(two[0]['preds']) == len(two[1]['targets']) == 4

def test_the_order_of_the_released_code_cannot_be_shared(monkeypatch):
    monkeypatch.setattr('grmp_iqa.meta.world', lambda: 2)
    with pytest.raises(TrainingError, match="variant 'released'"): released_epoch(None, {}, [], None, None)

def test_the_first_rank_alone_saves(monkeypatch, tmp_path):
    monkeypatch.setattr('grmp_iqa.learner.rank', lambda: 1)
    assert IQALearner.save_scorer(None, tmp_path/'scorer') == tmp_path/'scorer'
    assert not (tmp_path/'scorer').exists()

def test_an_error_of_the_first_rank_reaches_all(monkeypatch):
    "Played by two ranks in turn: what the first sends is what the second receives"
    sent = []
    def fails(): raise TrainingError('spoilt')
    def broadcast(told):
        if shared.rank() == 0: sent[:] = told
        else: told[:] = sent
    monkeypatch.setattr(shared.dist, 'broadcast_object_list', broadcast); monkeypatch.setattr(shared, 'world', lambda: 2)
    for r in range(2):
        monkeypatch.setattr(shared, 'rank', lambda: r)
        with pytest.raises(TrainingError, match='spoilt'): shared.on_first(fails)
