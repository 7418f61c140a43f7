"""The reference's way of computing, written to be read: every text with all its positions and encoded anew at every
call, the teacher's texts computed at every step, a backward pass for each of the two losses, float32 throughout. `speed.py` compares the library with it."""
import torch

from grmp_iqa.gradients import regularize_gradient
from grmp_iqa.objectives import quality_loss, semantic_loss


def texts(model, tokens, context=False):
    "Text features, all positions."
    if not context: return model.clip.encode_text(tokens, normalize=True)
    with model.text_prompt.slipped_into(model.token_embedding): return model.clip.encode_text(tokens, normalize=True)


def quality_logits(model, feature):
    return model.clip.logit_scale.exp() * feature @ texts(model, model.quality_tokens, context=True).T


def scene_logits(model, feature):
    return model.clip.logit_scale.exp() * feature @ texts(model, model.scene_tokens).T


def score(model, images):
    "Scores of a batch."
    with torch.no_grad(): return quality_logits(model, model.encode_image(images)).softmax(dim=1)[:,0]


def fine_tuning_gradient(model, teacher, images, mos, lam=5.):
    "The regularised gradient of one fine-tuning step, by name."
    params = {n: p for n,p in model.named_parameters() if p.requires_grad}
    with torch.no_grad(): target = scene_logits(teacher, teacher.encode_image(images))
    feature = model.encode_image(images)
    quality, scene = quality_loss(quality_logits(model, feature), mos), semantic_loss(scene_logits(model, feature), target)
    gradients = [torch.autograd.grad(loss, list(params.values()), retain_graph=True, allow_unused=True) for loss in (quality, scene)]
    return regularize_gradient(*({n: g for n,g in zip(params, found) if g is not None} for found in gradients), lam=lam)


def inner_gradient(model, images, mos):
    "The gradient of one inner step of meta-learning, by name."
    params = model.prompt_state()
    return dict(zip(params, torch.autograd.grad(quality_loss(quality_logits(model, model.encode_image(images)), mos), list(params.values()))))
