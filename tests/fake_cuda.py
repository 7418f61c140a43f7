"""A GPU that is not there: tensors that say they are on 'cuda', with shapes and no values, on any machine.

torch's `FakeTensorMode` runs every operation for shape, type and device alone, and raises where two devices meet, just as a GPU would. What it can't do is answer
for values. Those are made up here, but only where a real tensor would give them too: `.numpy()` of a tensor on 'cuda' stays an error.
"""
import sys, weakref
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np, safetensors, safetensors.torch, torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

aten = torch.ops.aten


def made_up(t):
    "Values in [0,1] that differ, zeros for whole numbers, True: an array of the shape and type of a tensor"
    if t.dtype == torch.bool: return np.ones(t.shape, bool)
    if not t.is_floating_point(): return np.zeros(t.shape, np.int64)
    return np.linspace(.1, .9, max(1, t.numel()))[:t.numel()].reshape(t.shape).astype(np.float64 if t.dtype == torch.float64 else np.float32)


class MadeUp(TorchDispatchMode):
    "Answers where an operation needs a value"
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is aten._local_scalar_dense.default:
            known = args[0].constant if isinstance(args[0], FakeTensor) else args[0]   # a number from Python, or from a file
            if known is None: return made_up(args[0]).ravel()[0].item()
            with _disable_current_modes(): return known.item()
        if func is aten.equal.default: return (args[0] - args[1]).numel() < 0   # no: and the subtraction minds the devices
        if func is aten.nonzero.default: return torch.zeros(args[0].numel(), args[0].ndim, dtype=torch.int64, device=args[0].device)   # all are
        return func(*args, **(kwargs or {}))


def to_numpy(real):
    def numpy(self, *args, **kwargs):
        if not isinstance(self, FakeTensor): return real(self, *args, **kwargs)
        if self.device.type != 'cpu': raise TypeError(f"can't convert {self.device} device type tensor to numpy")
        return made_up(self)
    return numpy

def to_list(real): return lambda self: made_up(self).tolist() if isinstance(self, FakeTensor) else real(self)


def for_real(fn):
    "The function with no mode around it: files hold real tensors"
    def outside(*args, **kwargs):
        with _disable_current_modes(): return fn(*args, **kwargs)
    return outside

class SafeOpen:
    "safetensors' `safe_open`, whose tensors are real"
    def __init__(self, *args, **kwargs): self.file = safetensors.safe_open(*args, **kwargs)
    def __enter__(self): return self
    def __exit__(self, *args): return None
    def __getattr__(self, name): return for_real(getattr(self.file, name))

@for_real
def save_file(tensors, path, metadata=None):
    "Tensors of the same shapes into a file"
    safetensors.torch.save_file({n: torch.from_numpy(made_up(t)) for n, t in tensors.items()}, path, metadata)

FILES = dict(load_file=for_real(safetensors.torch.load_file), save_file=save_file, safe_open=SafeOpen)


def reached(outputs):
    "Nodes of the graph that some tensors were computed by"
    rest, found = [o.grad_fn for o in outputs if o.grad_fn is not None], set()
    while rest:
        node = rest.pop()
        if node not in found:
            found.add(node)
            rest += [n for n, _ in node.next_functions if n is not None]
    return found

def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=None, materialize_grads=False, **kwargs):
    "Gradients of the right shape, type and place. torch's own engine asks the driver for streams, so it can't go backwards without a GPU"
    outputs, inputs = [outputs] if torch.is_tensor(outputs) else outputs, [inputs] if torch.is_tensor(inputs) else inputs
    nodes = reached(outputs)
    used = [torch.autograd.graph.get_gradient_edge(i).node in nodes for i in inputs]
    if not all(used) and not (allow_unused or materialize_grads): raise RuntimeError('One of the differentiated Tensors appears to not have been used in the graph.')
    value = lambda i: i*0 if create_graph else torch.zeros_like(i)
    return tuple(value(i) if u else torch.zeros_like(i) if materialize_grads else None for i, u in zip(inputs, used))

def backward(tensors, *args, **kwargs):
    "Gradients for all parameters that a loss was computed from"
    params = [n.variable for n in reached([tensors] if torch.is_tensor(tensors) else tensors) if hasattr(n, 'variable')]
    for p in params: p.grad = torch.zeros_like(p) if p.grad is None else p.grad + torch.zeros_like(p)


class AtOnce(Executor):
    "Does at once what threads would do: a mode holds for one thread only"
    def __init__(self, *args, **kwargs): pass
    def submit(self, fn, *args):
        future = Future()
        try: future.set_result(fn(*args))
        except Exception as e: future.set_exception(e)
        return future


def move(self, fn, recurse=True):
    "`Module._apply`, which `Module.to` calls: parameters stay the objects they are and get other data, for everybody who holds them"
    for module in self.modules() if recurse else [self]:
        for p in filter(torch.is_tensor, module._parameters.values()):
            with torch.no_grad(): data = fn(p)
            if (data.device, data.dtype) == (p.device, p.dtype): continue
            with patch.object(weakref, 'getweakrefs', lambda t: []):   # the mode's go on meaning the same objects
                torch.utils.swap_tensors(p, torch.nn.Parameter(data, p.requires_grad))
        for name, buffer in module._buffers.items(): module._buffers[name] = buffer if buffer is None else fn(buffer)
    return self

def copied(real):
    def deepcopy(self, memo):
        "A fake for `deepcopy`, made anew: torch's own copy shares what must not be shared"
        if not isinstance(self, FakeTensor): return real(self, memo)
        if id(self) not in memo:
            fresh = torch.empty_like(self, requires_grad=False)
            memo[id(self)] = torch.nn.Parameter(fresh, self.requires_grad) if isinstance(self, torch.nn.Parameter) else fresh
        return memo[id(self)]
    return deepcopy

CUDA = dict(is_bf16_supported=lambda *a, **k: True, mem_get_info=lambda *a: (64e9, 80e9), synchronize=lambda *a: None,
            get_rng_state=lambda *a: None, set_rng_state=lambda *a: None, max_memory_allocated=lambda *a: 7e9, reset_peak_memory_stats=lambda *a: None)


def pin_memory(self):
    "Memory is memory here; torch pins none of a GPU's"
    if self.device.type != 'cpu': raise RuntimeError(f'cannot pin a tensor on {self.device}')
    return self


@contextmanager
def fake_cuda():
    "Inside it the best device is a GPU of 80 GB, and every new tensor is a fake"
    with ExitStack() as stack:
        change = lambda owner, name, to: stack.enter_context(patch.object(owner, name, to))
        for name, fn in CUDA.items(): change(torch.cuda, name, fn)
        change(torch.nn.Module, '_apply', move)
        for kind in (torch.Tensor, torch.nn.Parameter): change(kind, '__deepcopy__', copied(kind.__deepcopy__))
        change(torch, 'load', for_real(torch.load))
        change(torch.autograd, 'grad', grad)
        change(torch.autograd, 'backward', backward)
        change(torch.Tensor, 'numpy', to_numpy(torch.Tensor.numpy))
        change(torch.Tensor, 'pin_memory', pin_memory)
        for kind in (torch.Tensor, FakeTensor): change(kind, 'tolist', to_list(kind.tolist))
        stand_in = dict(FILES, best_device=lambda: 'cuda', ThreadPoolExecutor=AtOnce)
        for module in [m for n, m in sys.modules.items() if n.startswith('grmp_iqa.')]:
            for name in set(stand_in) & set(vars(module)): change(module, name, stand_in[name])
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(MadeUp())
        yield


def devices(module):
    "Where the parameters and buffers of a module are"
    return {t.device.type for t in (*module.parameters(), *module.buffers())}
