"Weights as OpenAI publish theirs: a TorchScript archive of half-precision tensors with three numbers among them."
import copy, warnings

import torch
from grmp_iqa.clip.backbones import OPENAI_MARKS


def publish(clip, file):
    "Write an open_clip model as such an archive"
    clip, size = copy.deepcopy(clip).half().float(), clip.visual.image_size[0]
    for name, value in zip(OPENAI_MARKS, (size, 77, 49408)):
        vars(clip).pop(name, None)
        clip.register_buffer(name, torch.tensor(value))
    mask = clip._buffers.pop('attn_mask')
    clip.attn_mask = mask   # a constant of the program and no tensor of the file
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.jit.trace(clip, (torch.zeros(1, 3, size, size), torch.zeros(1, 77, dtype=torch.long)), check_trace=False).half().save(file)
    return file
