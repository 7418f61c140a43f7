"Two typical mistakes for each exercise of chapter 4: what was done wrong, its source, and words of the message"

MISTAKES = {
    1: [('brighter than white', '''
def answer(x, level): return x + .1*level
''', 'must be clamped'),
        ('the photograph itself is changed', '''
def answer(x, level):
    x *= 1 - .15*level
    return x
''', 'work on a copy'),
        ('the level is ignored', '''
def answer(x, level): return (x*.5).clamp(0, 1)
''', 'no further from the photograph')],
    2: [('pairs across scenes', '''
def answer(scores, mos, scene):
    i, j = np.triu_indices(len(mos), 1)
    counts = mos[i] != mos[j]
    return ((scores[i] - scores[j])*(mos[i] - mos[j]) > 0)[counts].mean()
''', 'pairs of different scenes'),
        ('pairs with equal labels count', '''
def answer(scores, mos, scene):
    i, j = np.triu_indices(len(mos), 1)
    counts = scene[i] == scene[j]
    return ((scores[i] - scores[j])*(mos[i] - mos[j]) > 0)[counts].mean()
''', 'have no right order')],
    3: [('photographs are dealt out, and not scenes', '''
def answer(table, rng):
    order = rng.permutation(len(table))
    n = max(1, len(table)//5)
    return table.iloc[order[n:]], table.iloc[order[:n]]
''', 'are on both sides'),
        ('always the same scenes', '''
def answer(table, rng):
    names = sorted(table.reference.unique())
    in_query = table.reference.isin(names[:max(1, round(len(names)/5))])
    return table[~in_query], table[in_query]
''', 'draw them from `rng`')],
    4: [('all kinds together', '''
def answer(table): return ((table.mos - table.mos.min())/(table.mos.max() - table.mos.min())).to_numpy()
''', 'all kinds together'),
        ('mean 0 and standard deviation 1', '''
def answer(table):
    mos = table.groupby('distortion').mos
    return ((table.mos - mos.transform('mean'))/mos.transform('std')).to_numpy()
''', 'standard deviation 1')]}
