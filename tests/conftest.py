"Tests compute in main memory, also on a machine with a GPU; `test_devices` has one that is not there."
import json, os

import pytest

os.environ['CUDA_VISIBLE_DEVICES'] = ''   # before torch is imported, and for every process that a test starts


def pytest_collection_finish(session):
    "Where all notebooks are asked for, they run while the other tests do"
    if sum(o.path.name == 'test_run.py' for o in session.items) > 20:
        from running import started
        started()

@pytest.fixture(scope='session')
def backbone(tmp_path_factory):
    "A folder with a vision transformer of two narrow blocks and random weights, as open_clip lays one out"
    import torch   # here, after the line above
    from safetensors.torch import save_file
    from grmp_iqa.clip.backbones import build_clip
    folder = tmp_path_factory.mktemp('backbone')
    config = dict(embed_dim=16, quick_gelu=True, vision_cfg=dict(image_size=32, patch_size=16, width=64, layers=2),
                  text_cfg=dict(context_length=77, vocab_size=49408, width=32, heads=2, layers=1))
    (folder/'open_clip_config.json').write_text(json.dumps(dict(model_cfg=config, preprocess_cfg=dict(mean=[.5]*3, std=[.25]*3))))
    torch.manual_seed(0)
    save_file(build_clip(config).state_dict(), folder/'open_clip_model.safetensors')
    return folder


@pytest.fixture(scope='session')
def pages(tmp_path_factory):
    "A folder of notebooks as nbdev processed them, for smalldocs"
    from docsite import process
    return process(tmp_path_factory.mktemp('site'))

@pytest.fixture(scope='session')
def site(pages):
    "A folder that holds the site"
    from docsite import render
    text, status = render(pages)
    assert status == 0, text
    return pages/'_docs'

@pytest.fixture(scope='module')
def chromium():
    "A headless browser; skips, with the reason, where there is none"
    from browser import browser, missing
    if missing(): pytest.skip(missing())
    with browser() as chromium: yield chromium
