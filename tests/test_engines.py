"One class in Ray Data, Daft and datasets; a machine of a Ray cluster is taken away while it scores."
import threading, time

import numpy as np, pandas as pd, pytest

from grmp_iqa.data.samples import sample_photos
from grmp_iqa.use.engines import ScoreBatch, score_ray

PATHS = [str(p) for p in sorted(sample_photos()[0].iterdir())]

def test_datasets_in_one_line():
    datasets = pytest.importorskip('datasets')
    found = datasets.Dataset.from_dict(dict(path=PATHS[:10])).map(ScoreBatch(), batched=True, batch_size=4)
    assert np.allclose(found['score'], ScoreBatch()(PATHS[:10]), atol=1e-3) and set(found['scorer']) == {ScoreBatch().scorer.digest}

def test_daft_in_one_line():
    daft = pytest.importorskip('daft')
    df = daft.from_pydict(dict(path=PATHS[:10]))
    found = df.with_column('score', daft.func.batch(return_dtype=daft.DataType.float64())(ScoreBatch())(df['path'])).to_pydict()
    assert np.allclose(found['score'], ScoreBatch()(PATHS[:10]), atol=1e-3)

@pytest.fixture
def cluster(monkeypatch):
    "Ray on two machines, as far as Ray can tell"
    pytest.importorskip('ray.data')
    for name, value in dict(usage_stats_enabled=0, worker_niceness=0, health_check_timeout_ms=60_000, worker_register_timeout_seconds=600, raylet_start_wait_time_s=300, enable_worker_prestart=0).items():
        monkeypatch.setenv(f'RAY_{name}' if name != 'usage_stats_enabled' else 'RAY_USAGE_STATS_ENABLED', str(value))
    import ray
    from ray.cluster_utils import Cluster
    found = Cluster(initialize_head=True, head_node_args=dict(num_cpus=4, include_dashboard=False, object_store_memory=150_000_000))
    found.second = found.add_node(num_cpus=1, object_store_memory=150_000_000)
    ray.init(address=found.address, logging_level='ERROR', log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()

def test_a_machine_is_lost_and_every_photograph_is_scored_once(cluster, tmp_path):
    out, lost = tmp_path/'scores', threading.Event()
    damaged = tmp_path/'damaged.jpg'
    damaged.write_bytes(b'\xff\xd8\xff\xe0 torn')
    def take_away():
        while not list(out.glob('*.parquet')): time.sleep(.05)
        cluster.remove_node(cluster.second, allow_graceful=False)
        lost.set()
    threading.Thread(target=take_away, daemon=True).start()
    counts = score_ray('tiny', [*PATHS[:60], damaged], out, workers=2, precision='float32', block=6)
    assert lost.wait(60) and (counts.scored, counts.failed) == (60, 1)
    table = pd.read_parquet(out)
    assert table.path.is_unique and set(table.path) == {*PATHS[:60], str(damaged)}
    one = ScoreBatch(precision='float32')
    assert np.allclose(table.set_index('path').score[PATHS[:60]], one(PATHS[:60]), atol=1e-6) and set(table.scorer) == {one.scorer.digest}
    import ray
    while sum(n['Alive'] for n in ray.nodes()) > 1: time.sleep(.5)   # until Ray has noticed, it gives the lost machine work
    counts = score_ray('tiny', PATHS[:64], out, workers=1, precision='float32', block=6)   # what is there is left out
    assert (counts.kept, counts.scored) == (61, 64) and pd.read_parquet(out).path.is_unique
