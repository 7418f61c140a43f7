"Typical mistakes in the exercises of chapter 10: what was done wrong, an answer that does it, and words of the message it must get."
MISTAKES = {
    1: [('one model learns from everything and predicts it', '''
def answer(x, y, fit): return fit(x, y)(x)
''', 'that is a leak'),
        ('the predictions come in the order of the folds', '''
def answer(x, y, fit):
    fold = np.arange(len(y)) % 5
    return np.concatenate([fit(x[fold != k], y[fold != k])(x[fold == k]) for k in range(5)])
''', 'in another order')],
    2: [('the sign of the errors was kept', '''
def answer(errors, share): return np.quantile(errors, share)
''', 'drop the sign'),
        ('the plain quantile forgets the new error', '''
def answer(errors, share): return np.quantile(np.abs(errors), share)
''', 'think of n+1')],
    3: [('only the presence of a key is looked at', '''
def answer(about): return [k for k in ('data', 'protocol', 'srcc', 'limits') if k not in about]
''', 'an empty text is missing'),
        ('a number without its interval is taken', '''
def answer(about): return [k for k in ('data', 'protocol', 'srcc', 'limits') if not str(about.get(k) or '').strip()]
''', 'without its interval')],
    4: [('the mean difference is returned', '''
def answer(score, photos):
    return float(np.abs(score(photos) - np.array([score([p])[0] for p in photos])).mean())
''', 'the mean difference'),
        ('only the first photograph is compared', '''
def answer(score, photos): return abs(float(score(photos)[0] - score(photos[:1])[0]))
''', 'compare every photograph')],
}
