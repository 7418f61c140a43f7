"The road to the paper's table, dry: weights as OpenAI publish them, databases in their layout, and the commands of the page `reproduce` one after the other."
import json, sys

import open_clip, pandas as pd, pytest, torch, trees
from archives import publish
from grmp_iqa.cli import main
from grmp_iqa.clip.backbones import build_clip
from grmp_iqa.clip.checkpoints import prompt_card
from grmp_iqa.data.splits import load_benchmark
from grmp_iqa.scoring import Scorer

#: ViT-B/16 with one head of 64 values in place of twelve: twelve blocks, patches of 16 in 224 pixels
NARROW = dict(embed_dim=32, vision_cfg=dict(image_size=224, patch_size=16, width=64, layers=12),
              text_cfg=dict(context_length=77, vocab_size=49408, width=64, heads=1, layers=12))
NAME = 'ViT-B-16-narrow'


@pytest.fixture(scope='module')
def road(tmp_path_factory):
    "A folder with weights and databases, and a function that runs a command in it"
    folder, patched = tmp_path_factory.mktemp('road'), pytest.MonkeyPatch()
    (folder/'configs').mkdir()
    for name, more in ((NAME, {}), (f'{NAME}-quickgelu', dict(quick_gelu=True))):
        (folder/'configs'/f'{name}.json').write_text(json.dumps(NARROW | more))
    open_clip.add_model_config(folder/'configs')
    torch.manual_seed(0)
    publish(build_clip(NARROW | dict(quick_gelu=True)).eval(), folder/'ViT-B-16-narrow.pt')
    trees.write(folder/'data', 'tid2013', 'kadid10k', scenes=3, kinds=(1, 8, 10), levels=(1, 3, 5))
    trees.livec(folder/'data', photos=70); trees.koniq10k(folder/'data', photos=40)
    def call(*args):
        patched.setattr(sys, 'argv', ['grmp-iqa', *map(str, args), '--backbone', NAME, '--weights', folder/'ViT-B-16-narrow.pt', '--device', 'cpu'])
        try: main()
        except SystemExit as e: return e.code or 0
        return 0
    yield folder, call
    patched.undo()

@pytest.fixture(scope='module')
def prompts(road):
    folder, call = road
    out = folder/'prompts.safetensors'
    assert call('pretrain', '--databases', 'tid2013,kadid10k', '--root', folder/'data', '--recipe', 'paper', '--epochs', 1, '--visual-tokens', 4, '--held-out', 1, '--out', out) == 0
    return out


def test_pretrain(prompts):
    card = prompt_card(prompts)
    assert card['backbone'] == f'{NAME}-quickgelu'   # the archive's weights want it, whatever the name says
    assert card['training']['references'] == 'tid2013,kadid10k' and card['training']['inner_lr'] == 1e-4

def test_adapt(road, prompts):
    folder, call = road
    table = load_benchmark('livec', folder/'data/livec')
    table.assign(image=table.image.map(lambda p: p.rsplit('/', 1)[-1]))[['image', 'score']].head(20).to_csv(folder/'ratings.csv', index=False)
    images, out = folder/'data/livec/Images', folder/'scorer'
    assert call('adapt', images, folder/'ratings.csv', '--recipe', 'paper', '--epochs', 2, '--prompts', prompts, '--out', out, '--scale', 0, 100) == 0
    scorer = Scorer.load(out, 'cpu')
    assert scorer.card['training']['recipe'] == 'paper' and scorer.card['prompts']['visual_tokens'] == 4
    assert 0 < scorer.score_images([images/'1.bmp']).predicted[0] < 100

def test_without_prompts_a_line_says_what_is_missing(road, caplog):
    folder, call = road
    assert call('adapt', folder/'data/livec/Images', folder/'ratings.csv', '--epochs', 1, '--out', folder/'plain', '--scale', 0, 100) == 0
    said = [r.message for r in caplog.records if r.name == 'grmp_iqa']
    assert [s for s in said if 'half of the method' in s and 'grmp-iqa pretrain' in s and "released:" in s]

def test_bench_ends_in_the_table(road, prompts, capsys):
    folder, call = road
    methods = 'GRMP-IQA,plain fine-tuning,linear probe,zero-shot,transfer'
    assert call('bench', '--benchmarks', 'livec', '--root', folder/'data', '--methods', methods, '--prompts', prompts, '--recipe', 'paper', '--epochs', 2,
                '--shots', 50, '--draws', 2, '--out', folder/'bench') == 0
    table = pd.read_csv(folder/'bench/table.csv').set_index('method')
    assert list(table.index) == methods.split(',') and table.SRCC.drop('transfer').notna().all()
    assert table.published['GRMP-IQA'] == .836 and table.published['linear probe'] == .664   # of the paper, and of UniQA's figure
    assert '--transfer-from' in table.reason['transfer'] and '.836' in capsys.readouterr().out

def test_both_splits_of_koniq(road, prompts):
    folder, call = road
    assert call('bench', '--benchmarks', 'koniq10k,koniq10k-random', '--root', folder/'data', '--methods', 'zero-shot', '--prompts', prompts,
                '--shots', 8, '--draws', 2, '--out', folder/'koniq') == 0
    runs = pd.read_csv(folder/'koniq/runs.csv')
    assert runs[runs.benchmark == 'koniq10k'].n_test.tolist() == [8, 8] and runs.groupby('benchmark').split.nunique().to_dict()['koniq10k-random'] == 2

@pytest.mark.parametrize('args, says', [
    (('pretrain', '--databases', 'tid2013', '--root', 'nowhere'), 'nowhere'),
    (('bench', '--benchmarks', 'livec'), '--root'),
    (('adapt', 'IMAGES', 'RATINGS', '--recipe', 'papers'), 'papers')])
def test_a_mistake_on_the_road_is_one_sentence(road, args, says, capsys, tmp_path):
    folder, call = road
    where = dict(IMAGES=folder/'data/livec/Images', RATINGS=folder/'ratings.csv')
    assert call(*(where.get(a, a) for a in args), '--out', tmp_path/'out') == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert len(err) == 1 and says in err[0] and not list(tmp_path.iterdir())

def test_a_wrong_architecture_is_named(road, capsys, tmp_path, monkeypatch):
    folder, _ = road
    monkeypatch.setattr(sys, 'argv', ['grmp-iqa', 'pretrain', '--backbone', 'ViT-B-32', '--weights', str(folder/'ViT-B-16-narrow.pt'), '--out', str(tmp_path/'out')])
    with pytest.raises(SystemExit): main()
    assert f'they fit {NAME} and {NAME}-quickgelu' in capsys.readouterr().err and not list(tmp_path.iterdir())
