"""The reference's way of computing, written to be read: every prompt token goes through every block, every text has all its
positions and is encoded anew at every call, the teacher computes everything itself, each of the two losses has its own
backward pass, float32 throughout. `speed.py` compares the library with it."""
import torch

from grmp_iqa.gradients import regularize_gradient
from grmp_iqa.losses import quality_loss, semantic_loss
from grmp_iqa.prompts import hooked, pool_crops


def feature(model, images):
    "Image features: a set of prompts goes in after the class token at the first block, and is replaced at each of the others."
    visual, prompt, crops = model.clip.visual, model.visual_prompt, images.flatten(0, -4)
    pooled = lambda: pool_crops(visual(crops), len(images), visual)
    if not prompt.n_tokens: return pooled()
    def at(i):
        tokens, old = prompt.shallow if i == 0 else prompt.deep[i-1:i], 0 if i == 0 else prompt.n_tokens
        return lambda module, args: torch.cat([args[0][:,:1], prompt.dropout(prompt.proj(tokens.expand(len(crops), -1, -1))), args[0][:,1+old:]], dim=1)
    hooks = [b.register_forward_pre_hook(at(i)) for i,b in enumerate(visual.transformer.resblocks)]
    with hooked(*hooks, visual.ln_post.register_forward_pre_hook(lambda module, args: prompt.norm(args[0]))): return pooled()


def texts(model, tokens, context=False):
    "Text features, all positions."
    if not context: return model.clip.encode_text(tokens, normalize=True)
    with model.text_prompt.inject(model.token_embedding): return model.clip.encode_text(tokens, normalize=True)


def quality_logits(model, v):
    return model.clip.logit_scale.exp() * v @ texts(model, model.quality_tokens, context=True).T


def scene_logits(model, v):
    return model.clip.logit_scale.exp() * v @ texts(model, model.scene_tokens).T


def score(model, images):
    "Scores of a batch."
    with torch.no_grad(): return quality_logits(model, feature(model, images)).softmax(dim=1)[:,0]


def fine_tuning_gradient(model, teacher, images, mos, lam=5.):
    "The regularised gradient of one fine-tuning step, by name."
    params = {n: p for n,p in model.named_parameters() if p.requires_grad}
    with torch.no_grad(): target = scene_logits(teacher, feature(teacher, images))
    v = feature(model, images)
    quality, scene = quality_loss(quality_logits(model, v), mos), semantic_loss(scene_logits(model, v), target)
    gradients = [torch.autograd.grad(loss, list(params.values()), retain_graph=True, allow_unused=True) for loss in (quality, scene)]
    return regularize_gradient(*({n: g for n,g in zip(params, found) if g is not None} for found in gradients), lam=lam)


def inner_gradient(model, images, mos):
    "The gradient of one inner step of meta-learning, by name."
    params = model.prompt_state()
    return dict(zip(params, torch.autograd.grad(quality_loss(quality_logits(model, feature(model, images)), mos), list(params.values()))))
