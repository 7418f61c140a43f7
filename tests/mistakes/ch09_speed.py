"Typical mistakes of chapter 9: {exercise: [(what was done wrong, source that defines `answer`, words of the message)]}"
MISTAKES = {
    1: [('one operation for two', 'def answer(width, blocks, tokens): return blocks*(12*tokens*width**2 + 2*tokens**2*width)', 'an addition are two operations'),
        ('attention left out', 'def answer(width, blocks, tokens): return blocks*24*tokens*width**2', 'attention itself is missing')],
    2: [('no warm-up', '''
def answer(work, clock, repeats):
    times = []
    for _ in range(repeats):
        start = clock(); work(); times.append(clock() - start)
    return np.median(times)*1000''', 'the first call warms up'),
        ('mean', '''
def answer(work, clock, repeats):
    work(); start = clock()
    for _ in range(repeats): work()
    return (clock() - start)/repeats*1000''', 'take the median'),
        ('seconds', '''
def answer(work, clock, repeats):
    work(); times = []
    for _ in range(repeats):
        start = clock(); work(); times.append(clock() - start)
    return np.median(times)''', 'in seconds')],
    3: [('an index for a number', 'def answer(tokens): return tokens.argmax(1).max()', 'indices count from 0'),
        ('the shortest', 'def answer(tokens): return tokens.argmax(1).min() + 1', 'the shortest text')],
    4: [('sum in bfloat16', '''
def answer(x):
    total = torch.zeros((), dtype=x.dtype)
    for v in x: total = total + v
    return (total/len(x)).float()''', 'the sum stalls'),
        ('rounded at the end', 'def answer(x): return x.mean()', 'rounded to eight digits at the end')],
    5: [('average of the factors', 'def answer(shares, factors): return 1 - np.sum(shares) + np.sum(shares*factors)', 'it is times that add up'),
        ('the rest left out', 'def answer(shares, factors): return 1/np.sum(shares/factors)', 'the part that stays as it is')],
}
