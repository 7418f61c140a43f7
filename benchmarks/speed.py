"""How fast, how much memory, how exact: the library beside the reference's way of computing (`plain.py`), in one run.

    python benchmarks/speed.py                      # ViT-B/16 with random weights, 100 visual prompt tokens, 16 images
    python benchmarks/speed.py --csv nbs/results    # also write speed.csv, and speed_notes.csv with whatever else is printed
    python benchmarks/speed.py --backbone tiny --tokens 8 --only table
    python benchmarks/speed.py --only rates --csv nbs/results            # what hours are computed from: rates_cpu.csv, on a GPU rates_cuda.csv
"""
import argparse, json, logging, os, platform, subprocess, resource, sys, tempfile, time
from pathlib import Path

import numpy as np, open_clip, pandas as pd, torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import plain
from grmp_iqa.core import IQAError, check_device, set_seed
from grmp_iqa.data.images import open_image
from grmp_iqa.data.samples import sample_photos
from grmp_iqa.data.metrics import srcc
from grmp_iqa.clip.crops import Crops
from grmp_iqa.clip.backbones import Backbone, load_clip
from grmp_iqa.prompts import QualityCLIP
from grmp_iqa.scoring import Scorer

NOTES = [] # what is printed besides the table


def note(text):
    "Print a line and keep it."
    NOTES.append(text)
    print(text, flush=True)


def backbone(name, device):
    "`tiny` as it ships; any other architecture with random weights, on which the time does not depend."
    if name == 'tiny': return load_clip('tiny', device=device)
    clip = open_clip.create_model(name).to(device).eval().requires_grad_(False)
    size = clip.visual.image_size[0]
    return Backbone(name, clip, open_clip.get_tokenizer(name), Crops(size, squash=round(size*244/224)), dict(open_clip.get_model_config(name)))


def is_cuda(device): return torch.device(device).type == 'cuda'


def peak(device):
    "Peak memory of this process, in GB: of the device if it has its own."
    if is_cuda(device): return torch.cuda.max_memory_allocated(device)/1e9
    status = Path('/proc/self/status')   # Linux; `ru_maxrss` would begin with what the parent process had
    if status.exists(): return int(status.read_text().split('VmHWM:')[1].split()[0])/1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e9   # macOS counts in bytes


def finish(device):
    "Wait until the device has done what it was given."
    if is_cuda(device): torch.cuda.synchronize(device)
    elif torch.device(device).type == 'mps': torch.mps.synchronize()


def timed(work, repeats, device):
    "Seconds of each repeat, after one that is not counted."
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        finish(device)
        times.append(time.perf_counter() - start)
    return times[1:]


def scoring(bb, how, images, tokens):
    model = QualityCLIP(bb, visual_tokens=tokens).eval()
    if how == 'plain': return lambda: plain.score(model, images)
    scorer = Scorer.from_model(model, precision=how)
    return lambda: scorer.score_tensor(images)


def fine_tuning(bb, how, images, tokens):
    "The gradient of a step, and the step."
    from grmp_iqa.learner import GradientRegularization, own_last_blocks, parameter_groups
    from fastai.learner import Learner
    from fastai.data.all import DataLoader, DataLoaders
    from fastai.optimizer import SGD
    from grmp_iqa.losses import quality_loss
    mos = torch.linspace(0, 1, len(images), device=images.device)
    teacher = QualityCLIP(bb, text_tokens=0, precision='float32' if how == 'plain' else how).eval().requires_grad_(False)
    model = QualityCLIP(own_last_blocks(bb), visual_tokens=tokens, precision=teacher.precision)
    parameter_groups(model)
    if how == 'plain':
        trained, opt = {n: p for n,p in model.named_parameters() if p.requires_grad}, torch.optim.SGD(model.parameters(), lr=1e-3)
        def step():
            for n,g in plain.fine_tuning_gradient(model.train(), teacher, images, mos).items(): trained[n].grad = g
            opt.step(); opt.zero_grad()
        return step
    data = DataLoaders(DataLoader([(x, m) for x,m in zip(images, mos)], bs=len(images)), DataLoader([], bs=1))
    learn = Learner(data, model, loss_func=quality_loss, opt_func=SGD, lr=1e-3, cbs=[GradientRegularization(teacher)],
                    splitter=lambda m: [[p for p in m.parameters() if p.requires_grad]], train_bn=False)
    def step():
        with learn.no_bar(), learn.no_logging(): learn.fit(1)
    return step


def inner_step(bb, how, images, tokens):
    from grmp_iqa.meta import adapt
    mos = torch.linspace(0, 1, len(images), device=images.device)
    model = QualityCLIP(bb, visual_tokens=tokens, precision='float32' if how == 'plain' else how).train()
    if how == 'plain': return lambda: plain.inner_gradient(model, images, mos)
    theta = {n: p.detach().clone() for n,p in model.prompt_state().items()}
    return lambda: adapt(model, theta, [(images, mos)])


WORK = {'scoring': scoring, 'fine-tuning step with QGR': fine_tuning, 'inner step of meta-learning': inner_step}
WAYS = ('plain', 'float32', 'bfloat16')


def profile(work, most=7):
    "Share of the time in each kind of operation, the largest first."
    from torch.profiler import ProfilerActivity, profile
    work()
    with profile(activities=[ProfilerActivity.CPU]) as p: work()
    events = sorted(p.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(e.self_cpu_time_total for e in events)
    return {e.key.removeprefix('aten::'): e.self_cpu_time_total/total for e in events[:most]}


def one_case(o):
    "Measure one kind of work in one way, in this process, so that its peak memory is its own."
    set_seed(0)
    bb = backbone(o.backbone, o.device)
    crops = 1 if bb.crops.squash else bb.crops.train
    images = torch.randn(o.images, crops, 3, bb.crops.size, bb.crops.size, device=o.device)
    work = WORK[o.work](bb, o.way, images, o.tokens)
    if o.profile: return print(json.dumps(profile(work)))
    print(json.dumps(dict(times=timed(work, o.repeats, o.device), peak=peak(o.device))))


def ask(o, **what):
    "Another process measures; its answer."
    args = [sys.executable, __file__, *(f'--{k}={v}' for k,v in (vars(o) | what).items() if v is not None)]
    done = subprocess.run(args, capture_output=True, text=True)
    if done.returncode: sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def needed(o, work):
    "GFLOP that the vision tower can't do without (a multiplication and an addition are two): prompts are only looked at, of the last block only the class token is read."
    bb = backbone(o.backbone, 'cpu')
    v, crops = bb.clip.visual, 1 if bb.crops.squash else bb.crops.train
    w, depth, n = v.conv1.out_channels, len(v.transformer.resblocks), (bb.crops.size//v.patch_size[0])**2 + 1
    def blocks(count, prompts, own):   # `own`: each picture has keys and values of its own for the prompts (dropout)
        block = lambda keep: 20*keep*w**2 + 4*(n + own*prompts)*w**2 + 4*keep*(n + prompts)*w
        return (count - 1)*block(n) + block(1)
    forward, trained = blocks(depth, o.tokens, work != 'scoring'), blocks(max(1, round(depth/3)), o.tokens, True)
    total = {'scoring': forward, 'inner step of meta-learning': 2*forward, 'fine-tuning step with QGR': forward + blocks(depth, 0, False) + 2*2*trained}[work]
    return total*crops*o.images/1e9


def ceiling(o):
    "TFLOP/s of a matrix multiplication of this tower's sizes, by the faster of torch's two ways."
    from grmp_iqa.clip.vit import linear
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, w = torch.randn(16, 256, 768, device=o.device).to(dtype), torch.randn(3072, 768, device=o.device).to(dtype)
        ways = [min(timed(work, 40, o.device)) for work in (lambda: torch.nn.functional.linear(x, w), lambda: linear(x, w, None))]
        theirs, ours = (2*x.numel()*len(w)/t/1e12 for t in ways)
        found[str(dtype).removeprefix('torch.')] = max(theirs, ours)
        note(f"multiplication of (4096, 768) and (768, 3072), {dtype}: {theirs:.2f} TFLOP/s as a linear layer, {ours:.2f} as the library does it")
    return found


def table(o):
    "Time, ratio, memory, and share of what the machine can multiply, of each kind of work in each way."
    top, rows = ceiling(o), []
    print("\n| work | way | seconds (least, most) | images/s | times as fast as plain (least, most) | peak memory, GB | of the ceiling |\n| --- | --- | --- | --- | --- | --- | --- |")
    for work in WORK:
        base = None
        for way in WAYS:
            r = ask(o, work=work, way=way)
            t, base = np.array(r['times']), np.array(r['times']) if way == 'plain' else base
            share = needed(o, work)/np.median(t)/1e3/top['float32' if way == 'plain' else way]
            rows.append([work, way, f'{np.median(t):.2f} ({t.min():.2f}, {t.max():.2f})', f'{o.images/np.median(t):.1f}',
                         f'{np.median(base)/np.median(t):.1f} ({base.min()/t.max():.1f}, {base.max()/t.min():.1f})', f"{r['peak']:.1f}", f'{share:.0%}'])
            print(f"| {' | '.join(rows[-1])} |", flush=True)
    print()
    note(f"memory before any work, with torch and the libraries loaded: {ask(o, work='nothing', way='plain')['peak']:.1f} GB")
    columns = ['work', 'way', 'seconds (least, most)', 'images/s', 'times as fast as plain (least, most)', 'peak memory, GB', 'of the ceiling']
    if o.csv: pd.DataFrame(rows, columns=columns).to_csv(Path(o.csv)/'speed.csv', index=False)


def profiles(o):
    "Where the time goes in bfloat16."
    for work in WORK:
        shares = ask(o, work=work, way='bfloat16', profile=1)
        note(f"time in {work}, bfloat16: " + ', '.join(f'{op} {share:.0%}' for op,share in shares.items()))


def imports(o):
    "Seconds to import, in fresh processes by turns."
    what = {'from grmp_iqa.learner import *': [], 'from fastai.vision.all import *': []}
    for _ in range(5):
        for line, times in what.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, '-W', 'ignore', '-c', line], check=True)
            times.append(time.perf_counter() - start)
    ours, theirs = (np.array(t) for t in what.values())
    note(f"import: grmp_iqa.learner {np.median(ours):.1f} s, fastai.vision.all {np.median(theirs):.1f} s: {np.median(ours)/np.median(theirs):.2f} times ({ours.min()/theirs.max():.2f}, {ours.max()/theirs.min():.2f})")


def folder(o, side=(4000,3000), n=64):
    "Large JPEG files with the grain of a camera: `tiny` beside decoding alone, by turns."
    from concurrent.futures import ThreadPoolExecutor
    scorer, rates, rng = Scorer.load('tiny'), {'decoding': [], 'scoring': []}, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as tmp:
        for i,photo in enumerate(sorted(sample_photos()[0].iterdir())[:8]):
            grainy = np.asarray(open_image(photo).resize(side)) + rng.normal(0, 6, (*side[::-1], 3)).astype(np.float32)
            Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(Path(tmp)/f'{i}.jpg', quality=92)
        files = sorted(Path(tmp).iterdir())*(n//8)
        scorer.score_images(files[:16])
        for _ in range(5):
            with ThreadPoolExecutor(os.cpu_count()) as pool: start = time.perf_counter(); list(pool.map(lambda f: open_image(f).size, files))
            rates['decoding'].append(n/(time.perf_counter() - start))
            start = time.perf_counter(); scorer.score_images(files)
            rates['scoring'].append(n/(time.perf_counter() - start))
        size = np.mean([f.stat().st_size for f in files])/1e6
    d, s = (np.array(r) for r in rates.values())
    note(f"{n} JPEG files of {side[0]} x {side[1]}, {size:.1f} MB: decoding alone {np.median(d):.1f} a second, scoring with tiny {np.median(s):.1f}: {np.median(s)/np.median(d):.2f} of it ({s.min()/d.max():.2f}, {s.max()/d.min():.2f})")


def exactness(o):
    "Scores by `tiny` of the rated photographs that ship, in three ways."
    bb, files = load_clip('tiny'), sorted(sample_photos()[0].iterdir())
    model = QualityCLIP(bb, text_tokens=0).eval()
    scores = {p: Scorer.from_model(model, precision=p).score_images(files).score.to_numpy() for p in ('float32', 'bfloat16')}
    scores['plain'] = torch.cat([plain.score(model, torch.stack([bb.crops(f) for f in files[i:i+25]])) for i in range(0, len(files), 25)]).numpy()
    for way in ('float32', 'bfloat16'):
        note(f"scores of {len(files)} photographs, {way} against plain: largest difference {np.abs(scores[way]-scores['plain']).max():.1e}, SRCC {srcc(scores[way], scores['plain']):.5f}")


def seconds(work, device):
    "Time of a piece of work, done."
    finish(device)
    start = time.perf_counter()
    work()
    finish(device)
    return time.perf_counter() - start


def adapting(o, bb, epochs=20):
    "Adaptation to 50 rated photographs with both halves of the method. On a GPU all of it; elsewhere one epoch of each kind, times how many there are."
    from grmp_iqa.learner import IQADataLoaders, iqa_learner
    from grmp_iqa.data.ratings import read_ratings
    photos, ratings = sample_photos()
    table = read_ratings(ratings, photos).iloc[:50]
    with tempfile.TemporaryDirectory() as tmp:
        prompts = QualityCLIP(bb, visual_tokens=o.tokens).save_prompts(Path(tmp)/'prompts.safetensors')
        begin = lambda: iqa_learner(IQADataLoaders.from_table(table, valid=0, device=o.device), bb, prompts)
        learn = begin()
        with learn.no_bar(), learn.no_logging():
            if is_cuda(o.device):
                learn.fine_tune(1)   # not counted: the libraries choose their kernels
                learn = begin()
                with learn.no_bar(), learn.no_logging(): whole = seconds(lambda: learn.fine_tune(epochs), o.device)
                each = whole/(epochs + 1)
            else:
                learn.freeze(); first = seconds(lambda: learn.fit(1), o.device)
                learn.unfreeze(); each = seconds(lambda: learn.fit(1), o.device)
                whole = first + epochs*each
    yield f'adaptation to 50 photographs, {epochs} epochs', whole, 's'
    yield 'fine-tuning with QGR', len(table)/each, 'images/s'


def scoring_rates(o, bb):
    "Scoring photographs that are decoded already, and the network alone on a batch that is on the device."
    scorer = Scorer.from_model(QualityCLIP(bb, visual_tokens=o.tokens).eval())
    many, batch = (2048, 64) if is_cuda(o.device) else (o.images, o.images)
    decoded = [open_image(f) for f in sorted(sample_photos()[0].iterdir())[:o.images]]*(many//o.images)
    crops = torch.stack([bb.crops.fixed(decoded[i % len(decoded)]) for i in range(batch)]).to(o.device)
    scorer.score_images(decoded[:batch])
    yield 'scoring from decoded memory', many/seconds(lambda: scorer.score_images(decoded), o.device), 'images/s'
    alone = lambda score: batch/np.median(timed(lambda: score(crops), o.repeats, o.device))
    yield 'scoring, the network alone', alone(scorer.score_tensor), 'images/s'
    if o.compile: yield 'scoring, the network alone, torch.compile', alone(torch.compile(scorer.score_tensor)), 'images/s'


def pretraining(o, bb):
    "A task of meta-learning: an inner step on three quarters of the images, and the gradient of the query loss on the others."
    from grmp_iqa.meta import meta_step
    model = QualityCLIP(bb, visual_tokens=o.tokens, precision='auto').train()
    theta = {n: p.detach().clone() for n,p in model.prompt_state().items()}
    k = 1 if bb.crops.squash else bb.crops.train
    batch = lambda n: (torch.randn(n, k, 3, bb.crops.size, bb.crops.size, device=o.device), torch.linspace(0, 1, n, device=o.device))
    task = [batch(3*o.images//4)], batch(o.images//4)
    rate = 1/np.median(timed(lambda: meta_step(model, theta, [task]), o.repeats, o.device))
    yield f'pre-training, tasks of {3*o.images//4} + {o.images//4} images', rate, 'tasks/s'
    yield 'pre-training', rate*o.images, 'images/s'


def rates(o):
    "What hours are computed from, each with the peak memory up to then."
    bb, rows, load = backbone(o.backbone, o.device), [], os.getloadavg()[0] if hasattr(os, 'getloadavg') else float('nan')
    if load > 1: note(f'other programs are at work (load {load:.1f}), so these rates are lower than the machine can do')
    for part in (scoring_rates, pretraining, adapting):
        if is_cuda(o.device): torch.cuda.reset_peak_memory_stats(o.device)
        for what, value, unit in part(o, bb):
            rows.append([what, float(f'{value:.4g}'), unit, round(peak(o.device), 2)])
            note(f'{what}: {value:.4g} {unit}; peak memory so far {rows[-1][-1]:.1f} GB')
    if o.csv:
        about = dict(backbone=o.backbone, tokens=o.tokens, device=machine(o.device), torch=torch.__version__, load=round(load, 1))
        found = pd.DataFrame(rows, columns=['rate', 'value', 'unit', 'peak memory, GB']).assign(**about)
        found.to_csv(Path(o.csv)/f'rates_{torch.device(o.device).type}.csv', index=False)


PARTS = dict(rates=rates, table=table, profiles=profiles, imports=imports, folder=folder, exactness=exactness)


def machine(device):
    "The machine in words."
    if is_cuda(device): return torch.cuda.get_device_name(device)
    named = torch.cpu.get_capabilities().get('cpu_name') if hasattr(torch.cpu, 'get_capabilities') else None
    return f"{os.cpu_count()} cores, {named or platform.processor()}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--backbone', default='ViT-B-16-quickgelu', help="'tiny', or an architecture of open_clip")
    p.add_argument('--tokens', type=int, default=100, help='visual prompt tokens')
    p.add_argument('--images', type=int, default=16, help='images of a batch'); p.add_argument('--repeats', type=int, default=3)
    p.add_argument('--device', help='where to compute; by default the best that is here'); p.add_argument('--compile', type=int, help='1: scoring by torch.compile as well'); p.add_argument('--only', choices=list(PARTS), help='measure this alone')
    p.add_argument('--csv', help='folder to write speed.csv and speed_notes.csv to, and rates_cpu.csv or rates_cuda.csv')
    p.add_argument('--work', help=argparse.SUPPRESS); p.add_argument('--way', help=argparse.SUPPRESS); p.add_argument('--profile', type=int, help=argparse.SUPPRESS)
    o = p.parse_args()
    try: o.device = check_device(o.device)
    except IQAError as e:
        print(f'speed.py: {e}', file=sys.stderr)
        sys.exit(2)
    if o.csv: Path(o.csv).mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)   # open_clip warns of random weights, which are meant
    if o.work == 'nothing':
        import grmp_iqa.learner
        return print(json.dumps(dict(peak=peak(o.device))))
    if o.work: return one_case(o)
    note(f"{machine(o.device)}; torch {torch.__version__}, {torch.get_num_threads()} threads; {o.backbone}, {o.tokens} visual prompt tokens, {o.images} images")
    for name,part in PARTS.items():
        if o.only in (None, name): part(o)
    if o.csv and o.only is None: pd.DataFrame(NOTES, columns=['note']).to_csv(Path(o.csv)/'speed_notes.csv', index=False)


if __name__ == '__main__': main()
