"Typical mistakes of chapter 8: {exercise: [(what was done wrong, source that defines `answer`, words of the message)]}"
MISTAKES = {
    1: [('without replacement', '''
def answer(values, rng):
    medians = [np.median(rng.permutation(values)) for _ in range(300)]
    return np.quantile(medians, [.025, .975])''', 'draw with replacement'),
        ('the range of the values', '''
def answer(values, rng): return np.quantile(values, [.025, .975])''', 'the range of the *medians*')],
    2: [('drawn apart', '''
def answer(a, b, rng):
    return np.quantile(np.median(rng.choice(a, (1000, len(a))), 1) - np.median(rng.choice(b, (1000, len(b))), 1), [.025, .975])''',
         'together, not apart'),
        ('b - a', '''
def answer(a, b, rng): return np.quantile(np.median(rng.choice(b - a, (1000, len(a))), 1), [.025, .975])''', 'the interval of b - a')],
    3: [('one side', '''
def answer(d, rng):
    means = (rng.choice([-1, 1], (3000, len(d)))*d).mean(1)
    return ((means >= d.mean()).sum() + 1)/3001''', 'only one side counts'),
        ('p can be 0', '''
def answer(d, rng):
    means = (rng.choice([-1, 1], (2000, len(d)))*d).mean(1)
    return (abs(means) > abs(d.mean())).mean()''', 'one of the flips')],
    4: [('by image', '''
def answer(scenes, share, rng): return rng.random(len(scenes)) < share''', 'this draws images'),
        ('always the same', '''
def answer(scenes, share, rng):
    names = np.unique(scenes)
    return np.isin(scenes, names[:max(1, round(share*len(names)))])''', 'draw the scenes with `rng`')],
    5: [('best on test', 'def answer(validation, test): return max(test)', 'looked at what it is meant to check'),
        ('the validation score', 'def answer(validation, test): return max(validation)', 'because it was chosen to be')],
}
