"Two typical mistakes for each exercise of chapter 3: what was done wrong, its source, and words of the message"

MISTAKES = {
    1: [('the context is put in, and the placeholders stay', '''
def answer(embedded, context):
    return torch.cat([embedded[:,:1], context.expand(len(embedded), -1, -1), embedded[:,1:]], dim=1)
''', 'must replace the placeholders'),
        ('it starts at position 0', '''
def answer(embedded, context):
    return torch.cat([context.expand(len(embedded), -1, -1), embedded[:,len(context):]], dim=1)
''', 'in the place of the start token'),
        ('only one text gets it', '''
def answer(embedded, context):
    out = embedded.clone()
    out[0,1:1+len(context)] = context
    return out
''', 'Only the first text')],
    2: [('backward fills the gradients of all weights', '''
def answer(context, loss_of, lr):
    loss_of(context).backward()
    return context.detach() - lr*context.grad
''', 'ask for that of the context alone'),
        ('the wrong sign', '''
def answer(context, loss_of, lr):
    gradient, = torch.autograd.grad(loss_of(context), context)
    return context + lr*gradient
''', 'must be subtracted')],
    3: [('chosen by the test set', '''
def answer(validation, test, patience): return int(np.argmax(test))
''', 'chose by the test set'),
        ('the epoch at which one stopped', '''
def answer(validation, test, patience):
    best = 0
    for epoch, value in enumerate(validation):
        if value > validation[best]: best = epoch
        if epoch - best >= patience: break
    return epoch
''', 'at which the training stopped'),
        ('patience is ignored', '''
def answer(validation, test, patience): return int(np.argmax(validation))
''', 'had stopped long before it')],
    4: [('the prompts of the block before are kept', '''
def answer(prompts, first):
    return lambda module, args: torch.cat([args[0][:,:1], prompts.expand(len(args[0]), -1, -1), args[0][:,1:]], dim=1)
''', 'the row grows with every block'),
        ('before the class token', '''
def answer(prompts, first):
    old = 0 if first else len(prompts)
    return lambda module, args: torch.cat([prompts.expand(len(args[0]), -1, -1), args[0][:,:1], args[0][:,1+old:]], dim=1)
''', 'before the class token')],
    5: [('no bias', '''
def answer(T, width, layers): return layers*T*width + width*width + 2*width
''', 'has a bias as well'),
        ('a linear layer for each block', '''
def answer(T, width, layers): return layers*(T*width + width*width + width) + 2*width
''', 'all blocks share one')]}
