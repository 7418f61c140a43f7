"Two typical mistakes for each exercise of chapter 7, and words of the message that names each."
MISTAKES = {
    1: [('took the running number', '''
def answer(cells): return pd.DataFrame(dict(image=cells.Foto, score=cells.id))
''', 'only counts the lines'),
        ('forgot the decimal comma', '''
def answer(cells):
    score = pd.to_numeric(cells.Note, errors='coerce')
    return pd.DataFrame(dict(image=cells.Foto, score=score)).dropna()
''', 'decimal comma')],
    2: [('kept the losses of the validation too', '''
class answer(Callback):
    def before_fit(self): self.losses = []
    def after_batch(self): self.losses.append(self.loss.item())
''', 'validation batches'),
        ('kept tensors', '''
class answer(Callback):
    run_valid = False
    def before_fit(self): self.losses = []
    def after_loss(self): self.losses.append(self.loss)
''', 'keep tensors')],
    3: [('dealt photographs', '''
def answer(bursts, rng):
    rows = rng.permutation(len(bursts))
    return rows[len(rows)//5:], rows[:len(rows)//5]
''', 'choose whole bursts'),
        ('kept one frame of each burst', '''
def answer(bursts, rng):
    first = rng.permutation(np.unique(bursts, return_index=True)[1])
    return first[len(first)//5:], first[:len(first)//5]
''', 'on neither side')],
    4: [('took the width to shrink like 1/n', '''
def answer(n, low, high, width): return n*(high - low)/width
''', 'twice the ratings do not halve it'),
        ('compared half a width with a whole one', '''
def answer(n, low, high, width): return n*((high - low)/2/width)**2
''', 'half of the old width')],
}
